"""The daemon's web side as a process: it answers, and it never stands in the way of a payment."""

import json
import socket
import urllib.error
import urllib.request

import pytest
from support.house import HOT_OWNER, House, free_port, wait_for

TOKEN = "correct-horse-battery-staple"


def config(port, extra=""):
    return (
        "policies: policies/\n"
        "wallets: {sandbox: {embedded: true, state: chain.json}}\n"
        f"signers: {{treasury-owner: {{{HOT_OWNER}}}}}\n"
        f"http: {{bind: '127.0.0.1:{port}'{extra}}}\n"
    )


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.stop()


def paid(house):
    return [one for one in house.events() if one["event"] == "run.success"]


def test_a_daemon_answers_while_it_pays(house):
    """
    Ready, with counts of what it did; it ends in order, and gives its port back.
    """
    port = free_port()
    (house.folder / "runner.yaml").write_text(config(port))
    process = house.start("up", "--for", "9s")
    wait_for(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, what="readiness")
    wait_for(lambda: len(paid(house)) >= 2, what="payments")
    wait_for(
        lambda: 'state="success"' in get(f"http://127.0.0.1:{port}/metrics")[1], what="the count"
    )

    status, text = get(f"http://127.0.0.1:{port}/metrics")
    assert get(f"http://127.0.0.1:{port}/")[0] == 200
    assert process.wait(timeout=70) == 0

    assert status == 200
    assert 'runner_wallet_requests_total{method="wallet_prepareCalls",outcome="ok"' in text
    assert not [one for one in house.events() if one["event"] == "http.fault"]
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_stops_no_payment(house):
    """
    It is told once, with the remedy; what is due is paid.
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        (house.folder / "runner.yaml").write_text(config(other.getsockname()[1]))
        process = house.start("up", "--for", "7s")
        assert process.wait(timeout=70) == 0

    told = [one for one in house.events() if one["event"] == "http.unavailable"]
    assert len(told) == 1
    assert "RUNNER_HTTP__BIND" in told[0]["hint"]
    assert paid(house)


def test_a_wallet_that_is_away_is_shown_as_not_ready(house):
    """
    The daemon waits for the chain, and says so to whoever asks.
    """
    port, away = free_port(), free_port()
    text = config(port).replace(
        "embedded: true, state: chain.json", f"url: 'http://127.0.0.1:{away}/v2/x'"
    )
    (house.folder / "runner.yaml").write_text(text)
    house.start("up")
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: get(f"{url}/readyz")[0] == 503, what="an answer")

    told = json.loads(get(f"{url}/readyz")[1])

    assert told["checks"]["tick"]["status"] == "failed"
    assert "starting" in told["checks"]["tick"]["detail"]


def test_a_token_that_keeps_nobody_out_is_refused(house):
    """
    Before anything is opened.
    """
    (house.folder / "token").write_text("short\n")
    (house.folder / "token").chmod(0o600)
    (house.folder / "runner.yaml").write_text(config(free_port(), ", token: {file: token}"))

    done = house.run("up", "--for", "1s")

    assert done.returncode == 2
    assert "fewer than 16 characters" in done.stderr
    assert "short" not in done.stderr
    assert not (house.folder / ".runner").exists()


def test_another_bind_without_a_token_is_refused(house):
    """
    By validate too: nobody opens a ledger to the world by mistake.
    """
    text = config(free_port()).replace("127.0.0.1:", "0.0.0.0:")
    (house.folder / "runner.yaml").write_text(text)

    assert house.run("validate").returncode == 2
    assert house.run("up", "--for", "1s").returncode == 2


def test_beyond_loopback_the_token_opens(house):
    """
    On every address of this machine: nothing to read without it.
    """
    port = free_port()
    (house.folder / "token").write_text(TOKEN + "\n")
    (house.folder / "token").chmod(0o600)
    text = config(port, ", token: {file: token}").replace("127.0.0.1:", "0.0.0.0:")
    (house.folder / "runner.yaml").write_text(text)
    house.start("up")
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: get(f"{url}/healthz")[0] == 200, what="the server")

    assert get(f"{url}/metrics")[0] == 401
    assert get(f"{url}/metrics", Authorization="Bearer nonsense")[0] == 401
    assert get(f"{url}/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert TOKEN not in house.logs()
