"""Which events people are told of: the table against the program, and how it is read."""

from datetime import UTC, datetime, timedelta
from string import Formatter

import pytest
from support.events import emitted

from runner.alerting.causes import (
    NEWS_OF_LEDGER,
    REDETECTED,
    STANDING,
    TABLE,
    Cause,
    Closes,
    Opens,
    Over,
    Raised,
    Severity,
    read,
)

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)

QUIET = {
    "grant.ended": "a grant that ended while it served is replaced, or payments are held for it",
    "grant.abandoned": "a request that came to nothing is followed by grant.failed",
    "http.refused": "whoever asks without the token gets nothing",
    "operation.excluded": "a reorganisation before finality is what finality is for",
    "policy.warning": "told by `runner validate`, and at the start",
    "run.replacing": "higher fees on a stuck payment are the daemon's own remedy",
    "run.stopped": "an operator's wish",
    "run.superseded": "its slot was decided against with an event of its own",
}
"""Events above `info` that nobody is woken by, each with the reason."""


def kinds(event, **fields):
    return {
        cause.kind: one.severity
        for one in read(event, fields, now=NOW)
        if isinstance(one, Raised)
        for cause in [one.cause]
    }


def test_every_event_that_warns_tells_somebody_or_says_why_not():
    loud = {name for name, levels in emitted().items() if levels - {"info", "debug"}}

    assert loud - set(TABLE) == set(QUIET) & loud
    assert set(QUIET) <= loud


def test_the_table_names_events_of_the_program_alone():
    told = set(emitted())

    assert set(TABLE) <= told
    assert told >= NEWS_OF_LEDGER


def test_kinds_that_a_closing_line_names_are_opened_somewhere():
    opened = {
        kind
        for lines in TABLE.values()
        for one in lines
        if isinstance(one, Opens)
        for kind in ([one.kind] if "{" not in one.kind else one.when[one.kind.strip("{}")])
    }

    closed = {
        k for lines in TABLE.values() for x in lines if isinstance(x, Closes) for k in x.kinds
    }
    assert {kind for kind in closed if "{" not in kind} <= opened
    assert opened >= STANDING
    assert opened >= REDETECTED


def test_every_kind_comes_to_an_end():
    """
    By an event, by the ledger, by the next start, or by itself; two are a person's to end.
    """
    closed = {
        k for lines in TABLE.values() for x in lines if isinstance(x, Closes) for k in x.kinds
    }
    for event, lines in TABLE.items():
        for line in lines:
            if isinstance(line, Opens):
                ends = line.lapses or line.until or line.kind in closed | STANDING | REDETECTED
                assert ends or "{" in line.kind, (event, line.kind)


@pytest.mark.parametrize("event", TABLE)
def test_an_event_with_the_fields_of_its_lines_can_be_read(event):
    lines = TABLE[event]
    texts = [line.by or "" for line in lines]
    texts += [
        kind for one in lines for kind in ([one.kind] if isinstance(one, Opens) else one.kinds)
    ]
    names = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
    for line in lines:
        fields = dict.fromkeys(names, "x") | {k: next(iter(v)) for k, v in line.when.items()}
        found = list(read(event, {"level": "warning", **fields}, now=NOW))
        assert found, line


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("guard", {"guard": Severity.CRITICAL}),
        ("evidence", {"evidence": Severity.CRITICAL}),
        ("grant", {"grant_missing": Severity.CRITICAL}),
        ("approval", {"approval": Severity.WARNING}),
        ("preflight", {"held": Severity.WARNING}),
        ("overlap", {}),
        ("paused", {}),
        ("blackout", {}),
    ],
)
def test_a_held_payment_is_told_by_its_reason(reason, expected):
    assert kinds("run.held", schedule="p/s", slot="t", reason=reason) == expected


def test_a_success_takes_back_what_went_before_it_and_a_wrong_one_opens():
    paid = list(read("run.success", {"schedule": "p/s", "reason": None}, now=NOW))
    wrong = kinds("run.success", schedule="p/s", reason="paid_differently")

    (over,) = paid
    assert isinstance(over, Over)
    assert over.subject == "p/s"
    assert "left_out" in over.kinds
    assert wrong == {"differently": Severity.CRITICAL}


def test_what_was_said_before_opens_nothing_and_still_closes():
    held = {"schedule": "p/s", "slot": "t", "reason": "guard", "level": "debug"}

    assert list(read("run.held", held, now=NOW)) == []
    assert list(read("policies.unchanged", {"level": "debug"}, now=NOW)) == [
        Over(frozenset({"refused"}), None)
    ]


def test_an_incident_of_a_session_ends_with_the_key_it_is_about():
    end = NOW + timedelta(days=3)

    (one,) = read("grant.orphaned", {"session": "p/key", "expires_at": end}, now=NOW)

    assert isinstance(one, Raised)
    assert (one.cause, one.lapse_at) == (Cause("orphaned", "p/key"), end)


def test_findings_are_told_as_the_detail():
    fields = {
        "schedule": "p/s",
        "slot": "t",
        "reason": "guard",
        "detail": "no",
        "findings": ["a≠b"],
    }

    (one,) = read("run.held", fields, now=NOW)

    assert isinstance(one, Raised)
    assert one.detail == "no; a≠b"
