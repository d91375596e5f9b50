"""Is all well? Conditions of sessions, findings, and their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.ethereum.address import Address
from runner.guard.intent import TransferLine
from runner.records import Pause, PauseScope
from runner.reporting import health, overview
from runner.reporting.text import Look
from runner.reporting.views import (
    AskedView,
    ChannelView,
    DaemonView,
    Entry,
    GrantView,
    LedgerView,
    RunView,
    ScheduleView,
)

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
RUNNING = DaemonView(running=True, started_at=NOW - timedelta(days=1), pid=7, host="h", version="1")
ALICE = Address("0x00000000000000000000000000000000000A11cE")


def grant(generation=1, state="active", asked=-10, ends=35, renews=20):
    """Times in days from now."""
    return GrantView(
        session="payroll/key",
        generation=generation,
        state=state,
        chain=84532,
        account=ALICE,
        wallet="sandbox",
        key_address=ALICE,
        permissions=(),
        requested_at=NOW + timedelta(days=asked),
        expires_at=NOW + timedelta(days=ends),
        next_renewal_at=NOW + timedelta(days=renews),
        session_id=None,
        entity_id=None,
        activated_at=None if state in {"requested", "activating"} else NOW,
        draining_at=None,
        closed_at=None,
        detail=None,
    )


def run(state="held", reason="grant", age=timedelta(minutes=5)):
    line = TransferLine("native", "native", 18, ALICE, "alice", 10**18)
    return RunView(
        id="0x" + "ab" * 32,
        kind="payment",
        occurrence=None,
        schedule="payroll/salaries",
        session="payroll/key",
        attempt=1,
        state=state,
        reason=reason,
        detail=None,
        due_at=NOW - age,
        claimed_at=NOW - age,
        deadline_at=None,
        expires_at=None,
        intent=None,
        generation=None,
        revision=None,
        closed_at=None,
        lines=(line,),
    )


def judged(grants=(), runs=(), schedules=(), daemon=RUNNING, policies=None):
    view = LedgerView(daemon, schedules, grants, [Entry(None, (one,)) for one in runs])
    return health.status(view, policies=policies, upcoming={}, now=NOW)


@pytest.mark.parametrize(
    ("grants", "condition"),
    [
        ([], "NoGrant"),
        ([grant()], "Ready"),
        ([grant(ends=-1)], "Expired"),
        ([grant(state="expired")], "Expired"),
        ([grant(state="requested")], "Renewing"),
        ([grant(), grant(2, "activating")], "Renewing"),
        ([grant(renews=-1)], "Ready"),
        ([grant(renews=-5)], "RenewalOverdue"),
        ([grant(renews=-5), grant(2, "requested")], "RenewalOverdue"),
        ([grant(state="stopping")], "Stopping"),
        ([grant(state="draining"), grant(2)], "Ready"),
    ],
)
def test_r22_conditions(grants, condition):
    """
    Computed from the clock: a grant that has ended is expired whatever its row says.
    """
    assert health.session_status("payroll/key", grants, NOW).condition == condition


def schedule(name, state, session="payroll/key"):
    return ScheduleView(
        uid=f"payroll/{name}",
        session=session,
        trigger="at",
        anchor=NOW,
        decided_until=NOW,
        state=state,
        runs=1,
        failures_in_row=0,
        paused_reason=None,
        paused_at=None,
    )


@pytest.mark.parametrize(
    ("states", "condition"),
    [
        (["completed"], "Over"),
        (["completed", "removed"], "Over"),
        (["completed", "active"], "Expired"),
        (["removed"], "Expired"),
        ([], "Expired"),
    ],
)
def test_t9_a_session_whose_schedules_are_completed_needs_no_grant(states, condition):
    """
    It is over, and nothing that anybody has to look at.
    """
    rows = [schedule(f"s{n}", state) for n, state in enumerate(states)]
    made = judged([grant(state="retired")], schedules=rows, policies=())

    assert [one.condition for one in made.sessions] == [condition]
    assert made.healthy is (condition == "Over")


def test_t9_what_is_over_may_still_be_stopping():
    over = health.session_status("payroll/key", [grant(state="stopping")], NOW, over=True)
    serving = health.session_status("payroll/key", [grant()], NOW, over=True)

    assert (over.condition, serving.condition) == ("Stopping", "Ready")


def test_an_overdue_renewal_grows_critical():
    """
    With less than a fifth of its life left it is the first line on the page.
    """
    early = judged([grant(renews=-5)], daemon=RUNNING, policies=())
    late = judged([grant(asked=-40, ends=5, renews=-10)], policies=())

    assert [one.severity for one in early.findings if one.subject == "payroll/key"] == ["warning"]
    assert late.findings[0].severity == "critical"


def test_all_is_well():
    """
    A running daemon, an active grant and nothing held: nothing to say.
    """
    status = judged([grant()], policies=())

    assert status.healthy
    assert overview.as_text(status, Look(), wallets={}, store="l.db")[0] == "All is well."


def test_the_worst_comes_first():
    """
    Critical before warning before information.
    """
    status = judged(
        [],
        runs=[run("held", "preflight"), run("held", "guard"), run("unknown", None)],
        daemon=DaemonView(running=False),
    )
    order = [one.severity for one in status.findings]

    assert order == sorted(order, key=list(health.Severity).index)
    assert order[0] == "critical"
    assert not status.healthy


def test_a_quiet_hold_is_no_finding():
    """
    Waiting for the run before it is how overlap works.
    """
    assert judged([grant()], runs=[run("held", "overlap")], policies=()).findings == (
        judged([grant()], policies=()).findings
    )


def test_unknown_is_told_by_age():
    """
    A reply that is seconds late is no news yet.
    """
    young = judged([grant()], runs=[run("unknown", None, timedelta(seconds=9))], policies=())
    old = judged([grant()], runs=[run("unknown", None)], policies=())

    assert young.healthy
    assert "do not pay it by hand" in (old.findings[0].todo or "")


@pytest.mark.parametrize(
    ("daemon", "words"),
    [
        (DaemonView(False), "has never run"),
        (DaemonView(False, NOW - timedelta(hours=2)), "did not stop in order"),
        (DaemonView(False, NOW, NOW - timedelta(hours=1)), "stopped 1 h ago"),
    ],
)
def test_a_daemon_that_is_not_there(daemon, words):
    """
    Never started, died, or stopped: three different things.
    """
    assert words in judged([], daemon=daemon).findings[0].what


def test_a_paused_schedule_is_critical():
    """
    With the reason it was paused for; a removed one is not listed.
    """
    rows = [
        ScheduleView("p/a", "p/k", "every 1h", NOW, NOW, "active", 3, 3, "3 failed runs", NOW),
        ScheduleView("p/b", "p/k", "every 1h", NOW, NOW, "active", 3, 1, None, None),
        ScheduleView("p/c", "p/k", "every 1h", NOW, NOW, "removed", 3, 0, None, None),
    ]
    status = judged([], schedules=rows)
    found = {one.subject: (one.severity.value, one.what) for one in status.findings}

    assert found["p/a"] == ("critical", "is paused: 3 failed runs")
    assert found["p/b"] == ("warning", "failed 1 time in a row")
    assert [one.uid for one in status.schedules] == ["p/a", "p/b"]


def test_the_page_fits_80_columns():
    """
    Tables do; findings are sentences and may wrap.
    """
    status = judged([grant(), grant(2, "activating")], runs=[run()], policies=())
    lines = overview.as_text(status, Look(width=80), wallets={"w": "x"}, store="l.db")
    start = next(i for i, line in enumerate(lines) if line.startswith("SESSION"))

    assert max(map(len, lines[start:])) <= 80


def test_scripts_get_the_same_data():
    """
    Findings, sessions and runs, with the age of what is open.
    """
    told = overview.as_json(judged([grant()], runs=[run()]), wallets={"w": "x"}, store="l.db")

    assert told["healthy"] is False
    assert told["open_runs"][0]["age_seconds"] == 300
    assert told["sessions"][0]["condition"] == "Ready"
    assert told["at"] == "2026-12-01T08:00:00Z"


def told(pauses=(), asked=(), channels=()):
    view = LedgerView(RUNNING, (), [grant()], [], pauses=pauses, asked=asked, channels=channels)
    made = health.status(view, policies=(), upcoming={}, now=NOW)
    return [one for one in made.findings if one.severity != "info"]


def test_o8_a_stop_is_the_first_thing_that_status_tells():
    """
    Critical, with the command that ends it; what is paused beside it is a warning.
    """
    since = NOW - timedelta(hours=2)
    session = Pause(PauseScope.SESSION, "p/key", "audit", since, NOW + timedelta(days=1))
    own = Pause(PauseScope.SCHEDULE, "p/s", "told with the schedule", since)

    found = told([session, own, Pause(PauseScope.STOP, "", "stolen?", since)])

    assert [(one.severity, one.todo) for one in found] == [
        ("critical", "runner resume --reason …"),
        ("warning", "runner schedules resume --session p/key --reason …"),
    ]
    assert "stolen?" in found[0].what
    assert "since 2 h" in found[0].what


def test_b9_what_was_asked_ahead_needs_a_person():
    """
    Before its time has come, while no run waits for it yet.
    """
    due = NOW + timedelta(hours=20)
    question = AskedView("p/s", "2026-12-01T09:00:00#0", 1, "0x01", due, "9 usdc reaches 5", NOW)

    (found,) = told(asked=[question])

    assert found.subject == "p/s@2026-12-01T09:00:00#0"
    assert "in 20 h" in found.what
    assert found.todo == "runner runs approve p/s@2026-12-01T09:00:00#0 --reason …"


def test_a_destination_that_takes_no_alerts_for_long_is_told():
    silent = ChannelView("CHAT_URL", 3, NOW - timedelta(hours=2), "answered with HTTP 500")
    hiccup = replace(silent, destination="PAGER", since=NOW - timedelta(minutes=1))

    (one,) = told(channels=[hiccup, silent])

    assert (one.severity, one.subject, one.todo) == ("warning", "CHAT_URL", "runner alerts test")
    assert "3 messages wait since 2 h; answered with HTTP 500" in one.what
