"""What is asked for on a page, carried out by a running daemon, and everything that is refused."""

import re

import httpx
import pytest
from support.house import wait_for
from support.person import TOKEN, Person, house_with_pages, is_ready

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
  asked:
    {session: pocket, every: 7s, approve_above: [1 usdc], approval_lead: 1s, pay: {alice: 2 usdc}}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = house_with_pages(tmp_path_factory.mktemp("house"), POLICY)
    try:
        wait_for(lambda: is_ready(made.url), what="readiness")
        yield made
    finally:
        made.stop()


@pytest.fixture
def visitor(house):
    """Makes people who have not signed in."""
    made = []

    def make():
        made.append(Person(house.url))
        return made[-1]

    yield make
    for one in made:
        one.web.close()


@pytest.fixture
def person(visitor):
    made = visitor()
    assert made.sign_in().status_code == 303
    return made


def state_of(house, uid):
    return next(one for one in house.json("schedules", "list") if one["schedule"] == uid)


def test_a_schedule_is_paused_and_let_go_on(house, person):
    """
    With the person's name and reason in the ledger; the page says that it is so.
    """
    paused = person.told(person.act("pause", target="demo/steady", to="/schedules/demo/steady"))
    now = state_of(house, "demo/steady")
    assert (now["paused"], now["paused_reason"]) == (True, "because of a test")
    assert "Let it go on" in person.page("/schedules/demo/steady")

    resumed = person.told(person.act("resume", target="demo/steady", to="/schedules/demo/steady"))

    assert not state_of(house, "demo/steady")["paused"]
    assert "paused" in paused
    assert "next slot" in resumed
    wishes = [one for one in house.events() if one["event"] == "http.wish"]
    assert {(one["verb"], one["author"]) for one in wishes} >= {("pause", "Ada"), ("resume", "Ada")}


def test_a_payment_is_approved_as_it_was_shown(house, person):
    """
    It is held until then, and paid after; another digest than the one asked for is refused.
    """

    def held():
        rows = house.json("runs", "list")
        return [r for r in rows if r["state"] == "held" and r["reason"] == "approval"]

    run = wait_for(held, what="a run that is held")[0]
    text = person.page(f"/runs/{run['id']}")
    digest = re.search(r'name="digest" value="([^"]+)"', text)[1]
    slot = re.search(r'name="slot" value="([^"]+)"', text)[1]

    wrong = person.act("approve", target="demo/asked", slot=slot, digest="0x00")
    right = person.told(
        person.act(
            "approve", target="demo/asked", slot=slot, digest=digest, to=f"/runs/{run['id']}"
        )
    )

    assert wrong.status_code == 400
    assert "changed since" in wrong.text
    assert "approved" in right
    wait_for(
        lambda: house.json("runs", "show", run["id"])["state"] == "success", what="the payment"
    )


def test_a_run_is_taken_back(house, person):
    """
    While nothing of it is signed it is skipped.
    """
    run = wait_for(
        lambda: [r for r in house.json("runs", "list") if r["state"] == "held"], what="a held run"
    )[0]

    person.told(person.act("cancel", target=run["id"], to="/runs"))

    now = house.json("runs", "show", run["id"])
    assert (now["state"], now["reason"]) == ("skipped", "operator")


def test_slots_are_skipped_and_paid_by_hand(house, person):
    """
    What pays asks for a yes; a repeated name is the same payment.
    """
    skipped = person.told(person.act("skip", target="demo/steady", to="/schedules/demo/steady"))
    unsure = person.act("extra", target="demo/steady", key="bonus")
    first = person.told(person.act("extra", target="demo/steady", key="bonus", sure="yes"))
    again = person.act("extra", target="demo/steady", key="bonus", sure="yes")

    assert "demo/steady" in skipped or "skip" in skipped
    assert unsure.status_code == 400
    assert "tick the box" in unsure.text
    assert first
    assert again.status_code in {303, 400}
    rows = [r for r in house.json("runs", "list") if (r.get("slot") or "").endswith("bonus")]
    assert len(rows) == 1


def test_a_script_may_act_by_the_token(house):
    """
    No form key is needed where no browser sends the header; the answer is JSON.
    """
    headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json"}
    form = {"target": "demo/steady", "reason": "by a script", "author": "cron"}

    done = httpx.post(f"{house.url}/actions/pause", data=form, headers=headers)
    twice = httpx.post(f"{house.url}/actions/pause", data=form, headers=headers)
    over = httpx.post(f"{house.url}/actions/resume", data=form, headers=headers)

    assert (done.status_code, done.json()) == (200, {"state": "done"})
    assert twice.status_code == 400
    assert "already" in twice.json()["error"]
    assert over.status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reason": ""}, 400),
        ({"reason": "x" * 501}, 400),
        ({"reason": "two\nlines"}, 400),
        ({"csrf": ""}, 403),
        ({"csrf": "0" * 64}, 403),
        ({"scope": "everything"}, 400),
        ({"scope": "stop"}, 400),
        ({"target": "demo/none"}, 400),
    ],
)
def test_a_form_that_is_not_right_changes_nothing(house, person, change, code):
    """
    No reason, no key of this seat, nothing that is there.
    """
    answer = person.act("pause", **{"target": "demo/steady", **change})

    assert answer.status_code == code
    assert not state_of(house, "demo/steady")["paused"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"host": "evil.example"},
    ],
)
def test_a_form_of_another_site_changes_nothing(house, person, headers):
    """
    Whatever cookie the browser sends along.
    """
    form = {"csrf": person.csrf(), "reason": "evil", "target": "demo/steady"}

    answer = person.web.post("/actions/pause", data=form, headers=headers)

    assert answer.status_code in {403, 421}
    assert not state_of(house, "demo/steady")["paused"]


def test_nobody_acts_without_the_token(house):
    """
    Neither without a seat, nor with a made-up one, nor by GET.
    """
    form = {"reason": "r", "target": "demo/steady"}
    forged = {"cookie": "runner_seat=9999999999.aa.41.00"}

    assert httpx.post(f"{house.url}/actions/pause", data=form).status_code == 403
    assert httpx.post(f"{house.url}/actions/pause", data=form, headers=forged).status_code == 403
    assert httpx.get(f"{house.url}/actions/pause").status_code in {404, 405}
    assert not state_of(house, "demo/steady")["paused"]


def test_a_seat_is_safe_from_scripts_and_other_sites(house, visitor):
    """
    HttpOnly and SameSite=Strict; signing out ends it; the token is never written down.
    """
    person = visitor()
    cookie = person.sign_in().headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    key = person.csrf()

    person.web.post("/logout", data={"csrf": key})

    assert person.web.post("/actions/pause", data={"csrf": key, "reason": "r"}).status_code == 403
    assert TOKEN not in house.logs()


def test_signing_in_leads_to_pages_of_ours_alone(house):
    """
    No open redirect.
    """
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"):
        answer = httpx.post(f"{house.url}/login", data={"token": TOKEN, "name": "A", "to": to})
        assert answer.headers["location"] == "/"


def test_wrong_tokens_are_slowed_down(house, visitor):
    """
    The last test of this daemon: after ten wrong ones in a minute nobody is let in.
    """
    codes = [visitor().sign_in("wrong").status_code for _ in range(12)]

    assert codes[0] == 403
    assert codes[-1] == 429
    assert visitor().sign_in().status_code == 429
    assert any(one["event"] == "http.refused" for one in house.events())
