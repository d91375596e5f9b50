"""Events go to those whom they concern."""

from runner.adapters.audience import Audience


class Hearer:
    """Hears events that begin with a letter, from a level on."""

    def __init__(self, letter, *levels):
        self.letter, self.levels, self.heard, self.asked = letter, levels, [], 0

    def concerns(self, event, level):
        self.asked += 1
        return event.startswith(self.letter) and level in self.levels

    def hear(self, event, fields):
        self.heard.append((event, dict(fields)))


class Whole:
    """Telemetry that is told everything."""

    def __init__(self):
        self.told = []

    def emit(self, event, **fields):
        self.told.append((event, fields))


def test_each_hears_what_concerns_it_and_is_asked_once():
    """
    By event and level; without a level it is info.
    """
    loud, quiet = Hearer("a", "info", "error"), Hearer("a", "debug", "info")
    audience = Audience(loud, quiet)

    for _ in range(3):
        audience.emit("a.said", run="r")
        audience.emit("a.said", run="r", level="debug")
        audience.emit("b.said", level="error")

    assert loud.heard == [("a.said", {"run": "r"})] * 3
    assert quiet.heard == [("a.said", {"run": "r"}), ("a.said", {"run": "r", "level": "debug"})] * 3
    assert (loud.asked, quiet.asked) == (3, 3)


def test_who_joins_hears_after_those_before():
    """
    Telemetry of another kind is told all; an audience grows by its newest hearers.
    """
    whole, first, second = Whole(), Hearer("a", "info"), Hearer("a", "info")

    Audience.of(Audience.of(whole, first), second).emit("a.said", run="r")
    Audience.of(whole, second).emit("b.said", level="debug")

    assert whole.told == [("a.said", {"run": "r"}), ("b.said", {"level": "debug"})]
    assert first.heard == second.heard == [("a.said", {"run": "r"})]
