"""Channels: signed webhooks that go nowhere they should not, and Apprise that keeps its secrets."""

import hashlib
import hmac
import io
import json
import logging
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.receiver import receiver

from runner.adapters.alerts import egress
from runner.adapters.alerts.apprise import AppriseChannel
from runner.adapters.alerts.opening import open_channels
from runner.adapters.alerts.threads import Aside
from runner.adapters.alerts.webhook import Webhook
from runner.alerting.causes import Severity
from runner.alerting.messages import Attachment, Message, trial
from runner.errors import Undelivered, UsageError
from runner.settings import Alerts, EnvRef, FileRef, Route
from runner.settings import Webhook as WebhookSettings

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
MESSAGE = trial(NOW)
TOKEN = "xoxb-hunter2-hunter2"


@pytest.fixture
def service():
    with receiver() as made:
        yield made


def webhook(url, *, allow_private=False):
    return Webhook("HOOK", url, "s3cret", allow_private=allow_private, now=lambda: NOW)


# ── the webhook ───────────────────────────────────────────────────────────────────────────────


async def test_a_receiver_can_prove_that_a_message_is_ours_as_the_manual_says(service):
    """
    HMAC-SHA256 over timestamp, a dot and the body as it came.
    """
    await webhook(f"{service.url}/alerts").send(MESSAGE)

    (got,) = service.got
    signed = got.headers["Runner-Timestamp"].encode() + b"." + got.body
    expected = "v1=" + hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(got.headers["Runner-Signature"], expected)
    assert got.headers["Runner-Event-Id"] == MESSAGE.id == json.loads(got.body)["id"]
    assert int(got.headers["Runner-Timestamp"]) == NOW.timestamp()
    assert (got.method, got.path) == ("POST", "/alerts")


def checking_code():
    """What the manual shows to check messages by."""
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    shown: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], shown)
    return shown


async def test_the_check_that_the_manual_shows_takes_ours_and_nothing_else(service, monkeypatch):
    shown = checking_code()
    monkeypatch.setattr(shown["time"], "time", lambda: NOW.timestamp() + 200)
    await webhook(f"{service.url}/alerts").send(MESSAGE)
    (got,) = service.got
    is_ours = shown["is_ours"]

    assert is_ours(got.headers, got.body, b"s3cret")
    assert not is_ours(got.headers, got.body + b" ", b"s3cret")
    assert not is_ours(got.headers, got.body, b"another")
    monkeypatch.setattr(shown["time"], "time", lambda: NOW.timestamp() + 400)
    assert not is_ours(got.headers, got.body, b"s3cret")


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_what_is_not_taken_is_said_by_its_status_and_redirects_lead_nowhere(service, status):
    service.status, service.location = status, f"{service.url}/elsewhere"

    with pytest.raises(Undelivered, match=f"HTTP {status}"):
        await webhook(f"{service.url}/alerts?token={TOKEN}").send(MESSAGE)

    assert [one.path for one in service.got] == [f"/alerts?token={TOKEN}"]


@pytest.mark.parametrize(
    ("address", "url", "refusal"),
    [
        ("10.0.0.7", "https://hooks.example/x", "private network"),
        ("192.168.1.1", "https://hooks.example/x", "private network"),
        ("169.254.169.254", "https://hooks.example/x", "private network"),
        ("127.0.0.1", "https://hooks.example/x", "private network"),
        ("fd00::1", "https://hooks.example/x", "private network"),
        ("::ffff:10.0.0.7", "https://hooks.example/x", "private network"),
        ("100.64.0.1", "https://hooks.example/x", "private network"),
        ("93.184.216.34", "http://hooks.example/x", "plain http"),
        ("93.184.216.34", "ftp://hooks.example/x", "not an https"),
        ("93.184.216.34", "https://user:pw@hooks.example/x", "user or a password"),
        ("127.0.0.2", "http://hooks.example/x", "plain http"),
    ],
)
async def test_where_a_webhook_may_not_go_nothing_is_connected_to(
    monkeypatch, address, url, refusal
):
    """
    A public name that stands for a private address is refused by the address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answer = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))

    with pytest.raises(Undelivered, match=refusal) as caught:
        await webhook(url).send(MESSAGE)
    assert "hooks.example" not in str(caught.value)


async def test_every_address_of_a_name_is_judged_and_one_that_was_judged_is_connected_to(
    monkeypatch,
):
    """
    One public and one private address: refused. A name asked again would be another answer.
    """
    answers = iter([["93.184.216.34", "10.0.0.7"], ["93.184.216.34"], ["10.0.0.7"]])
    connected = []

    def look_up(*_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in next(answers)]

    def connect(address, _seconds):
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(egress.socket, "getaddrinfo", look_up)
    monkeypatch.setattr(egress.socket, "create_connection", connect)
    with pytest.raises(Undelivered, match="private network"):
        await webhook("https://hooks.example/x").send(MESSAGE)
    with pytest.raises(Undelivered, match="Connection refused"):
        await webhook("https://hooks.example/x").send(MESSAGE)

    assert connected == [("93.184.216.34", 443)]


async def test_a_written_key_lets_it_into_a_private_network(monkeypatch):
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    connected = []

    def connect(address, _seconds):
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Undelivered, match="Connection refused"):
        await webhook("https://hooks.example/x", allow_private=True).send(MESSAGE)

    assert connected == [("10.0.0.7", 443)]


# ── Apprise ───────────────────────────────────────────────────────────────────────────────────


async def test_apprise_delivers_title_text_and_kind(service):
    channel = AppriseChannel("PAGER", service.url.replace("http", "json") + "/x")
    critical = Message("evt_1", Severity.CRITICAL, "[critical] a b", "why", {})

    await channel.send(critical)
    await channel.send(MESSAGE)

    bodies = [json.loads(one.body) for one in service.got]
    assert [(one["title"], one["message"], one["type"]) for one in bodies] == [
        ("[critical] a b", "why", "failure"),
        (MESSAGE.title, MESSAGE.text, "success"),
    ]


async def test_apprise_attaches_files_where_the_service_can_carry_them(service):
    file = Attachment("payments.ics", "text/calendar", "BEGIN:VCALENDAR\r\n")
    message = Message("evt_1", Severity.INFO, "digest", "text", {}, attachments=(file,))

    await AppriseChannel("PAGER", service.url.replace("http", "json") + "/x").send(message)

    (attached,) = json.loads(service.got[0].body)["attachments"]
    assert attached["filename"] == "payments.ics"


async def test_what_a_service_refuses_is_told_by_status_and_no_secret_is_anywhere(service, capfd):
    service.status = 403
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    channel = AppriseChannel("PAGER", service.url.replace("http", "json") + f"/{TOKEN}")

    with pytest.raises(Undelivered, match="HTTP 403") as caught:
        await channel.send(MESSAGE)

    logging.getLogger().removeHandler(handler)
    printed = capfd.readouterr()
    assert TOKEN not in str(caught.value) + printed.out + printed.err + log.getvalue()
    assert service.got[0].path == f"/{TOKEN}"


async def test_a_url_that_apprise_does_not_know_is_said_without_showing_it(capfd):
    with pytest.raises(Undelivered, match="none that Apprise knows") as caught:
        await AppriseChannel("PAGER", f"nonsense://{TOKEN}").send(MESSAGE)

    printed = capfd.readouterr()
    assert TOKEN not in str(caught.value) + repr(caught.value) + printed.out + printed.err


# ── threads ───────────────────────────────────────────────────────────────────────────────────


async def test_a_channel_that_hangs_is_given_up_and_takes_nothing_until_it_ends():
    aside = Aside("x", patience=0.05)

    with pytest.raises(Undelivered, match="no answer within"):
        await aside.run(lambda: time.sleep(0.5))
    with pytest.raises(Undelivered, match="still hangs"):
        await aside.run(lambda: None)


async def test_an_unforeseen_error_is_told_by_its_kind_alone():
    def work():
        raise ValueError(TOKEN)

    with pytest.raises(Undelivered, match="ValueError") as caught:
        await Aside("x", patience=5).run(work)
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


# ── runner.yaml ───────────────────────────────────────────────────────────────────────────────


def test_a_destination_is_named_by_what_refers_to_it_and_opened_once(tmp_path):
    pager = tmp_path / "pager"
    pager.write_text(f"json://h/{TOKEN}\n")
    pager.chmod(0o600)
    inline = f"mailto://u:{TOKEN}@example.org"
    alerts = Alerts(
        routes=(
            Route("warning", (EnvRef("CHAT"), FileRef(pager))),
            Route("critical", (EnvRef("CHAT"), inline)),
        ),
        webhooks=(WebhookSettings(EnvRef("HOOK"), EnvRef("HOOK_SECRET")),),
    )
    environment = {"CHAT": f"json://h/{TOKEN}", "HOOK": "https://h/x", "HOOK_SECRET": TOKEN}

    found = open_channels(alerts, environment, now=lambda: NOW)

    assert [one.channel.name for one in found] == [
        "CHAT",
        str(pager),
        "CHAT",
        "alerts.routes[1].to[1] (mailto)",
        "webhook HOOK",
    ]
    assert found[0].channel is found[2].channel
    assert TOKEN not in repr(found) + repr(alerts)


def test_a_secret_that_is_not_there_is_told_before_anything_is_started():
    alerts = Alerts(routes=(Route("warning", (EnvRef("CHAT"),)),))

    with pytest.raises(UsageError, match=r"alerts.routes\[0\].to\[0\].*CHAT"):
        open_channels(alerts, {}, now=lambda: NOW)
