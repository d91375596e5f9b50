"""The one place where the version is written; `runner --version` reads nothing else."""

__version__ = "0.1.0"
