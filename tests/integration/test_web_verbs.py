"""What changes much from a page: stops, replays, backfills, grants that go. Each as its command."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from support.house import wait_for
from support.person import Person, house_with_pages, is_ready

POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions: {pocket: {account: treasury, lifetime: 10m}}
schedules:
  steady: {session: pocket, every: 1h, start_at: 2026-01-01T00:30Z, pay: {alice: 1 usdc}}
  quick: {session: pocket, every: 2s, start_at: 2026-01-01T00:30Z, pay: {alice: 2 usdc}}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = house_with_pages(tmp_path_factory.mktemp("house"), POLICY)
    try:
        wait_for(lambda: is_ready(made.url) and rows(made, "quick", "success"), what="a payment")
        yield made
    finally:
        made.stop()


@pytest.fixture
def person(house):
    made = Person(house.url)
    assert made.sign_in().status_code == 303
    yield made
    made.web.close()


def rows(house, schedule, state):
    found = house.json("runs", "list")
    return [r for r in found if r["schedule"] == f"demo/{schedule}" and r["state"] == state]


def stretch(hours):
    """As many whole hours of the past as that, each with one slot of `steady`."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=hours)
    return {"from": f"{start:%Y-%m-%dT%H:%MZ}", "until": f"{end:%Y-%m-%dT%H:%MZ}"}


def shown(person, given):
    page = person.page(f"/backfill/demo/steady?from={given['from']}&until={given['until']}")
    return page, re.search(r'name="digest" value="(\w+)"', page)[1]


def test_o5_what_was_left_out_is_shown_and_then_paid(house, person):
    """
    Exactly the slots that the page lists, with their total; what is paid is not paid again.
    """
    given = stretch(3)
    page, digest = shown(person, given)
    form = {"target": "demo/steady", "to": "/schedules/demo/steady", "digest": digest, **given}

    unsure = person.act("backfill", **form)
    told = person.told(person.act("backfill", **form, sure="yes"))
    wait_for(lambda: len(rows(house, "steady", "success")) == 3, what="three payments")
    again = person.act("backfill", **form, sure="yes")

    assert "3 slots: 3 usdc in all" in page
    assert unsure.status_code == 400
    assert "tick the box" in unsure.text
    assert told
    assert again.status_code == 400
    assert "changed since" in again.text
    assert "No slot of that time is left to pay" in person.page(
        f"/backfill/demo/steady?from={given['from']}&until={given['until']}"
    )


def test_what_was_checked_is_kept_with_the_run(house, person):
    """
    As the guard looked at this very operation before it was signed; the page says it in words.
    """
    run = rows(house, "quick", "success")[0]["id"]
    events = house.json("runs", "show", run)["timeline"]
    (signed,) = [one for one in events if one["event"] == "operation.signed.payment"]

    rules = signed["data"]["checked"].split()

    assert {"B4.chain", "X1.nonce", "G11.calldata", "G2.max_fee", "B5.hash", "B4.scope"} <= set(
        rules
    )
    assert len(rules) == len(set(rules)) >= 15
    assert f"{len(rules)} rules, all held" in person.page(f"/runs/{run}")


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-01-02&until=2026-01-01",
        "from=soon&until=2026-01-01",
        "from=2030-01-01&until=2031",
    ],
)
def test_a_stretch_that_is_none_is_told(person, query):
    answer = person.web.get(f"/backfill/demo/steady?{query}")

    assert answer.status_code == 400
    assert "That did not work" in answer.text


def test_x20_what_a_pause_skipped_is_listed_and_paid_if_asked(house, person):
    """
    The newest of them, once the box is ticked; else nothing is replayed.
    """
    person.told(person.act("pause", target="demo/quick", to="/schedules/demo/quick"))
    wait_for(lambda: len(rows(house, "quick", "skipped")) >= 2, what="slots that are skipped")
    page = person.page("/schedules/demo/quick")

    unsure = person.act("resume", target="demo/quick", catch_up="latest")
    answer = person.by_token("resume", target="demo/quick", catch_up="latest", sure="yes")

    assert "Skipped since" in page
    assert "pay the newest of each: 2 usdc" in page
    assert unsure.status_code == 400
    (run,) = answer.json()["runs"]
    wait_for(lambda: house.json("runs", "show", run)["state"] == "success", what="its payment")
    assert len(rows(house, "quick", "skipped")) >= 1


def test_o1_a_session_is_paused_until_a_time(house, person):
    """
    Its schedules claim nothing; a time of the past is refused, as is a name that nothing has.
    """
    form = {"scope": "session", "target": "demo/pocket"}
    past = person.act("pause", **form, until="2026-01-01T00:00Z")
    unknown = person.act("pause", scope="session", target="demo/none")

    person.told(person.act("pause", **form, until="2036-01-01T00:00Z", to="/waiting"))
    page = person.page("/waiting")
    person.told(person.act("resume", **form, to="/waiting"))

    assert (past.status_code, unknown.status_code) == (400, 400)
    assert "until 2036-01-01" in page


def test_a_grant_is_renewed_and_taken_off(house, person):
    """
    The session goes on with a fresh key: its policy still names it.
    """
    (grant,) = [one for one in house.json("grants", "list") if one["state"] == "active"]
    young = person.act("renew", target="demo/pocket")
    unsure = person.act("revoke", target="demo/pocket")

    told = person.told(
        person.act("revoke", target="demo/pocket", sure="yes", to="/grants/demo/pocket")
    )

    assert "younger than a tenth" in young.text or young.status_code == 303
    assert unsure.status_code == 400
    assert "to be taken off" in told

    def renewed():
        now = {one["generation"]: one["state"] for one in house.json("grants", "list")}
        return now[grant["generation"]] == "revoked" and "active" in now.values()

    wait_for(renewed, what="the old grant gone, a new one in service")


def test_o8_everything_is_stopped_and_goes_on(house, person):
    """
    Nothing is paid in between; who ends it ticks a box.
    """
    told = person.told(person.act("stop", to="/stop"))
    page = person.page("/stop")
    status = house.json("status")
    twice = person.act("stop")
    unsure = person.act("end_stop")
    person.told(person.act("end_stop", sure="yes", to="/stop"))

    assert "nothing is signed or sent" in told
    assert "because of a test" in page
    assert any("is stopped" in one["what"] for one in status["findings"])
    assert "already" in twice.text
    assert unsure.status_code == 400
    assert "Stop everything" in person.page("/stop")


def test_o9_a_stolen_key_takes_every_grant_off(house, person):
    """
    The last test of this daemon: it stops, and each grant goes, as the page shows.
    """
    wait_for(lambda: "could be taken with its key" in person.page("/stop"), what="its exposure")
    unsure = person.act("revoke_all")

    told = person.told(person.act("revoke_all", sure="yes", to="/stop"))

    assert unsure.status_code == 400
    assert "to be taken off" in told
    states = lambda: {one["state"] for one in house.json("grants", "list")}  # noqa: E731
    wait_for(lambda: not states() & {"active", "draining", "stopping"}, what="no grant left")
    assert "No grant is left that could sign" in person.page("/stop")
    assert any("is stopped" in one["what"] for one in house.json("status")["findings"])
