"""When the daemon looks through its own memory."""

import gc
import weakref

from runner.adapters.process import collector_at_rest


class Loop:
    """Refers to itself: nothing but the collector takes it away."""

    def __init__(self):
        self.me = self


def test_no_search_while_things_are_made_ready():
    with collector_at_rest():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_what_is_ready_is_left_out_of_every_search():
    with collector_at_rest() as settle:
        settle()

        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_what_was_there_before_a_reload_may_go():
    """
    Whoever reloads a hundred times keeps one set of policies, not a hundred.
    """
    with collector_at_rest() as settle:
        old = Loop()
        seen = weakref.ref(old)
        settle()
        del old
        gc.collect()
        assert seen() is not None

        settle()

        assert seen() is None
        assert gc.isenabled()
