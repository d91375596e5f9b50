"""What schedules say alike is read once, and comes out as if each had been read for itself."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import PolicyErrors
from runner.policy.alike import Alike
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

HEAD = """\
version: 1
name: team
chain: base-sepolia
wallet: sandbox
tokens: {usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}}
contacts:
  ann: "0x00000000000000000000000000000000000a11ce"
  bob: "0x0000000000000000000000000000000000000b0b"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
  abroad: {owner: treasury-owner, gas: sponsor, chain: base, max_fee: 0.001 native}
sessions:
  key: {account: treasury, lifetime: 45d}
  strict: {account: treasury, lifetime: 45d, receivers: [ann]}
  far: {account: abroad, lifetime: 45d}
DEFAULTS
schedules:
"""
DEFAULTS = (
    "",
    "defaults: {timezone: Europe/Berlin}",
    "defaults: {timezone: Europe/Berlin, catch_up: none, limits: {per_day: [900 native]}}",
    "defaults: {every: 1d, session: strict, overlap: allow}",
    "defaults: {every: never}",
)
SOUND = (
    ("session: key", "session: far", "session: 'key'"),
    (
        'cron: "0 9 1 * *", timezone: UTC',
        'cron: "*/5 9 * * *", timezone: UTC',
        'cron: "30 2 * * *", timezone: Europe/Berlin, dst_gap: skip, dst_fold: last',
        "every: 1d",
        "every: 1d, start_at: 2026-12-01T00:00Z",
        "every: 1d, anchor: 2026-12-01T00:00Z, end_at: 2027-12-01T00:00Z",
        "every: 1d, day_match: and",
        "every: ${PERIOD}",
        "at: 2026-12-01T09:00Z",
        "at: 2026-12-01T09:00, timezone: Europe/Berlin",
        "dates: [2026-12-24T09:00], timezone: UTC",
    ),
    (
        "pay: {ann: 1 native}",
        "pay: {ann: 2 native}",
        "pay: {bob: 1 native}",
        "pay: {ann: 1 native, bob: 1 native}",
        "pay: {bob: '1 gwei', ann: 1 native}",
        "pay: {to: ann, amount: 1 native}",
        "pay: {to: ann, amount: 1 native, memo: salary}",
        "pay: {ann: '${AMOUNT}'}",
        "calls: [{pay: {ann: 1 native}}]",
    ),
    (
        "",
        "overlap: allow",
        "catch_up: all, catch_up_window: 24h",
        "until_total: 50 native",
        "limits: {per_day: [5 native]}",
        "approve_above: 3 native, suspend: true",
        "previous_names: [older]",
        "blackout: [{from: 2026-12-24T00:00Z, until: 2026-12-27T00:00Z}]",
        "max_runs: 3, jitter: 5m, ping: https://example.org",
    ),
)
"""Session, trigger, calls and the rest, as they may stand beside each other."""

FAULTY = (
    ("session: strict", "session: nope", ""),
    (
        'cron: "0 9 1 * *"',
        'cron: "61 9 * * *", timezone: UTC',
        "at: 2026-12-01T09:00Z, start_at: 2027-01-01T00:00Z",
        "every: 1d, at: 2026-12-01T09:00Z",
        "every: ${NOTHING}",
        "",
    ),
    (
        "pay: {nobody: 1 native}",
        "pay: {ann: 1 usdc}",
        "pay: {ann: 0 native}",
        "pay: {ann: 1,000 native}",
        "pay: {ann: null}",
        "pay: {ann: ${AMOUNT}}",
        "pay: {ann: 1 native}, approve: {spender: bob, amount: 1 usdc}",
        "",
    ),
    ("overlap: sideways", "catch_up: all", "max_rums: 3"),
)


def one(session, trigger, calls, rest):
    return ", ".join(part for part in (session, trigger, calls, rest) if part)


def schedules(*parts):
    return st.lists(st.builds(one, *map(st.sampled_from, parts)), min_size=1, max_size=5)


SCHEDULES = schedules(*SOUND) | schedules(*map(sum, zip(SOUND, FAULTY, strict=True), [()] * 4))


def read(text):
    """The policy with all its marks, or what is wrong with it."""
    try:
        found = parse_policy(
            text,
            "team.yaml",
            environment={"PERIOD": "2d", "AMOUNT": "7 native"},
            check_cron=check_cron,
        )
    except PolicyErrors as refused:
        return told(refused.faults)
    return replace(found, warnings=()), told(found.warnings), found.written


def told(faults):
    return [(each.code, each.where, each.what, each.hint, each.source) for each in faults]


@given(st.sampled_from(DEFAULTS), SCHEDULES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_as_if_each_had_been_read_for_itself(defaults, schedules, sorted_first):
    """
    Policy, marks, origins, faults and warnings: whatever the others say, and in whatever order.
    """
    each = sorted(schedules) if sorted_first else [*schedules, *schedules]
    lines = [f"  s{number}: {{{body}}}\n" for number, body in enumerate(each)]
    text = HEAD.replace("DEFAULTS", defaults) + "".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Alike, "get", lambda *_: None)
        plain = read(text)

    assert read(text) == plain


def test_what_was_read_before_is_not_read_again(monkeypatch):
    """
    Of a thousand schedules of one kind the first and the second look their cron up.
    """
    session, trigger, calls, _ = SOUND
    bodies = [one(session[0], trigger[0], call, "") for call in calls[:3]]
    lines = [f"  s{number:04}: {{{bodies[number % 3]}}}\n" for number in range(1000)]
    asked = []

    policy = parse_policy(
        HEAD.replace("DEFAULTS", "") + "".join(lines),
        "team.yaml",
        environment={},
        check_cron=lambda *what: asked.append(what) or check_cron(*what),
    )

    assert len(asked) == 2
    marks = {each.calls[0].mark for each in policy.schedules.values()}
    assert [mark.line for mark in sorted(marks)] == list(range(18, 1018))
