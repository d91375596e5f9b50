"""Sessions of one account, in virtual time: no timer of theirs helps a wake-up that is missed."""

from support.simulated import simulated

SESSIONS = (
    "sessions:\n"
    "  one: {account: treasury, lifetime: 45d}\n"
    "  two: {account: treasury, lifetime: 45d}\n"
    "  three: {account: treasury, lifetime: 45d}\n"
    "schedules:\n"
    "  a: {session: one, every: 12h, pay: {alice: 1 usdc}}\n"
    "  b: {session: two, every: 12h, pay: {alice: 1 usdc}}\n"
    "  c: {session: three, every: 12h, pay: {alice: 1 usdc}}\n"
)


def test_x16_r23_the_end_of_one_request_wakes_whoever_waits_for_it():
    """
    Each asks for its grant behind the other, and none waits for its first payment to fail.
    """
    found = simulated(SESSIONS, days=2)
    firsts = {}
    for one in found.outcomes:
        firsts.setdefault(one.schedule, (one.state, one.reason))

    assert firsts == {f"p/{name}": ("success", None) for name in "abc"}
    assert {one.state for one in found.outcomes} == {"success"}
