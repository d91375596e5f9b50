"""
Hypothesis for the whole session: no time limit per example, which a busy machine would miss.
"""

from hypothesis import settings

settings.register_profile("runner", deadline=None)
settings.load_profile("runner")
