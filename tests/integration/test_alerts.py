"""Alerts with the real daemon: told through loopback channels, and never in the way of payments."""

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest
from support.house import POLICY, House, rpc, wait_for
from support.receiver import receiver

pytestmark = pytest.mark.timeout(180)

CONFIG = """\
policies: policies/
wallets:
  sandbox: {{embedded: true, state: .runner/sandbox.json}}
signers:
  treasury-owner: {{private_key_for_sandbox_only: '0x{key}'}}
alerts:
  digest_at: "{digest} UTC"
  routes: [{{min_severity: warning, to: [{{file: pager}}]}}]
  webhooks: [{{to: {{file: hook}}, secret: {{file: secret}}, min_severity: critical}}]
"""

SCHEDULES = """\
schedules:
  pays: {session: pocket, every: 2s, pay: {alice: 1 usdc}}
  short: {session: pocket, every: 5s, pay: {carol: 999999999 usdc}}
"""


def house_with(folder, service, schedules=SCHEDULES):
    policy = POLICY.partition("schedules:")[0].replace("45s", "10m") + schedules
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%H:%M")
    config = CONFIG.format(key="11" * 32, digest=an_hour_ago)
    (folder / "pager").write_text(service.url.replace("http", "json") + "/pager\n")
    (folder / "hook").write_text(service.url + "/hook\n")
    (folder / "secret").write_text("s3cret\n")
    for name in ("pager", "hook", "secret"):
        (folder / name).chmod(0o600)
    return House(folder, policy=policy, config=config)


def told(service, path):
    return [json.loads(one.body) for one in service.got if one.path == path]


def paid(house):
    return len(events(house, "run.success"))


def test_a_payment_that_cannot_be_made_is_told_once_while_others_are_paid(tmp_path):
    """
    Both channels hang at first: payments go on at their pace. After kill -9 nothing is lost.
    """
    with receiver() as service:
        service.open.clear()
        house = house_with(tmp_path, service)
        try:
            daemon = house.start("up")
            wait_for(lambda: service.got, seconds=60, what="a first attempt")
            wait_for(lambda: paid(house) >= 5, seconds=60, what="payments beside a hanging pager")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(timeout=10)
            open_ones = house.json("alerts", "list")
            service.got.clear()
            service.open.set()
            daemon = house.start("up", "--for", "20s")
            wait_for(lambda: told(service, "/pager"), seconds=30, what="the pager")
            assert daemon.wait(timeout=60) == 0, house.logs()
        finally:
            house.stop()

        titles = [one["title"] for one in told(service, "/pager")]
        assert {one["subject"] for one in open_ones} >= {"demo/short"}
        assert titles.count("[warning] demo/short waits and is not paid") == 1
        assert "/pager" not in house.logs()
        ledger = (tmp_path / ".runner/ledger.db").read_bytes()
        assert service.url.encode() not in ledger


def test_alerts_test_tries_every_destination_and_says_what_came_of_each(tmp_path):
    with receiver() as service:
        house = house_with(tmp_path, service)
        good = house.run("alerts", "test")
        service.status = 500
        bad = house.run("alerts", "test", "--json")

    assert good.returncode == 0, good.stderr
    assert good.stdout.count("delivered") == 2
    assert [one["title"] for one in told(service, "/pager")[:1]] == ["[test] runner can reach you"]
    assert [one["type"] for one in told(service, "/hook")[:1]] == ["test"]
    assert bad.returncode == 1
    results = json.loads(bad.stdout)
    assert [one["delivered"] for one in results] == [False, False]
    assert all("HTTP 500" in one["error"] for one in results)
    for output in (good.stdout, good.stderr, bad.stdout, bad.stderr):
        assert service.url not in output
        assert "s3cret" not in output


def test_alerts_test_says_what_to_write_where_nobody_is_named(tmp_path):
    house = House(tmp_path)

    said = house.run("alerts", "test")

    assert said.returncode == 2
    assert "names nobody" in said.stderr
    assert "routes" in said.stderr


def events(house, name):
    return [one for one in house.events() if one["event"] == name]


def dry(house):
    return [one for one in house.json("status")["findings"] if "runs dry" in one["what"]]


FUNDED = """\
schedules:
  small: {session: pocket, every: 2s, pay: {alice: 1 usdc}, ping: "PING"}
  large: {session: pocket, every: 1d, start_at: START, pay: {bob: 2000000 usdc}}
"""


def test_b11_a_slot_that_is_not_covered_is_told_ahead_and_taken_back_when_it_is_funded(tmp_path):
    """
    In the log and in `status`; meanwhile the schedule that pays calls its monitor (M11).
    """
    with receiver() as service:
        tomorrow = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%MZ")
        house = house_with(
            tmp_path,
            service,
            FUNDED.replace("PING", f"{service.url}/ping").replace("START", tomorrow),
        )
        try:
            house.start("up", "--for", "150s")
            short = wait_for(lambda: events(house, "funding.short"), what="the shortfall")[0]
            shown = wait_for(lambda: dry(house), what="a word in `status`")[0]
            url = events(house, "wallet.ready")[0]["url"] + "/v2/dev"
            account = events(house, "account.ready")[0]["address"]
            token = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
            amount = hex(20_000_000 * 10**6)
            rpc(url, "sandbox_mint", {"token": token, "to": account, "amount": amount})
            wait_for(lambda: events(house, "funding.covered"), seconds=90, what="the funds")
            wait_for(lambda: [one for one in service.got if one.path == "/ping"], what="a ping")
            digests = [one for one in told(service, "/pager") if "[digest]" in one["title"]]
        finally:
            house.stop()

    assert len(digests) == 1
    assert "Heads of the ledger" in digests[0]["message"]
    assert digests[0]["attachments"][0]["filename"].endswith(".ics")
    assert [one for one in told(service, "/hook") if one["type"] == "digest"] == []
    assert short["schedule"] == "demo/large"
    assert "demo/large needs 2000000 usdc at" in short["detail"]
    assert short["level"] == "critical"
    assert (shown["severity"], shown["subject"]) == ("critical", "demo/treasury")


def test_a_panic_needs_no_secret_of_a_chat_server(tmp_path):
    """
    The destination's secret is not there: the daemon says so at its start, the stop works.
    """
    with receiver() as service:
        house = house_with(tmp_path, service)
        assert house.run("apply").returncode == 0
        (tmp_path / "pager").unlink()

        refused = house.run("up", "--for", "1s")
        stopped = house.run("stop", "--revoke-all", "--reason", "stolen")

    assert refused.returncode == 2
    assert "alerts.routes[0].to[0]" in refused.stderr
    assert stopped.returncode == 0, stopped.stderr
