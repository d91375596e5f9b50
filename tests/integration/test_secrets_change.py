"""Secrets that change under the real daemon: taken over without a restart, or refused and told."""

import json
import signal
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.house import POLICY, free_port, rpc, served_house, wait_for
from support.receiver import receiver

pytestmark = pytest.mark.timeout(180)

OWNER, STRANGER = "11" * 32, "22" * 32
TOKENS = ("correct-horse-battery-staple", "another-horse-battery-staple")


@contextmanager
def between(target):
    """Passes requests on to a service, and remembers what they were authorized by."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers.get("Authorization"))
            request = urllib.request.Request(
                target, data=body, headers={"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, text = answer.status, answer.read()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", seen
    finally:
        server.shutdown()
        server.server_close()


class Mount:
    """Files laid as Kubernetes lays them: NAME → ..data/NAME, ..data → the folder of a version."""

    def __init__(self, folder):
        self.folder = folder
        self.version = 0
        folder.mkdir()

    def lay(self, **files):
        self.version += 1
        laid = self.folder / f"..version-{self.version}"
        laid.mkdir()
        for name, text in files.items():
            (laid / name).write_text(text + "\n")
            (laid / name).chmod(0o600)
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        draft = self.folder / "..data_tmp"
        draft.symlink_to(laid.name)
        draft.replace(self.folder / "..data")


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def status_of(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def paid(house):
    return len(told(house, "run.success"))


def test_secrets_are_taken_over_without_a_restart_or_refused_and_told(tmp_path):
    """
    One daemon, every kind of file: key of the service, token, alert URL, its owner's key. What is
    good is in use at once; another owner's key is refused, told as an alert, and payments go on by
    the one before.
    """
    with receiver() as pager, served_house(tmp_path) as (house, url), between(url) as (front, keys):
        port, mount = free_port(), Mount(tmp_path / "mount")
        good = {
            "key": "key-of-the-service-1",
            "token": TOKENS[0],
            "pager": pager.url.replace("http", "json") + "/one",
            "owner": OWNER,
        }
        mount.lay(**good)
        (tmp_path / "runner.yaml").write_text(
            "policies: policies/\n"
            "secret_key: {file: secret.key}\n"
            f"wallets: {{sandbox: {{url: '{front}', api_key: {{file: mount/key}}}}}}\n"
            "signers: {treasury-owner: {file: mount/owner, sandbox_only: true}}\n"
            f"http: {{bind: '127.0.0.1:{port}', token: {{file: mount/token}}}}\n"
            "alerts: {routes: [{min_severity: warning, to: [{file: mount/pager}]}]}\n"
        )
        daemon = house.start("up")
        wait_for(lambda: paid(house) >= 2, what="payments")
        page = f"http://127.0.0.1:{port}/login"
        wait_for(lambda: status_of(page, "") == 200, what="the dashboard")
        assert set(keys) == {"Bearer key-of-the-service-1"}

        # All of it changes at once, save the owner.
        good |= {
            "key": "key-of-the-service-2",
            "token": TOKENS[1],
            "pager": pager.url.replace("http", "json") + "/two",
        }
        mount.lay(**good)
        wait_for(lambda: len(told(house, "secret.renewed")) == 3, what="three new secrets")
        before = len(keys)
        wait_for(lambda: len(keys) > before + 5, what="requests by the new key")
        assert set(keys[before + 1 :]) == {"Bearer key-of-the-service-2"}
        for token, status in zip(TOKENS, (403, 303), strict=True):
            assert signed_in(port, token) == status

        # Another owner's key, and a token that went away.
        mount.lay(**(good | {"owner": STRANGER, "token": ""}))
        refused = wait_for(
            lambda: len(found := told(house, "secret.refused")) == 2 and found, what="two refusals"
        )
        # Even an edit of the policies makes no other owner, and so no other accounts.
        carol = "  carol: {session: pocket, every: 2s, pay: {carol: 0.5 usdc}}\n"
        (tmp_path / "policies" / "demo.yaml").write_text(POLICY + carol)
        wait_for(lambda: told(house, "policies.reloaded"), what="the edit")
        since = paid(house)
        wait_for(lambda: paid(house) >= since + 3, what="payments by the last good key")
        assert signed_in(port, TOKENS[1]) == 303
        wait_for(lambda: len(of(pager, "/two")) >= 2, what="both alerts, at the new place")
        (tmp_path / "secret.key").write_text("33" * 32 + "\n")
        wait_for(lambda: len(told(house, "secret.refused")) == 3, what="the refused secret key")
        mount.lay(**good)
        wait_for(lambda: len(told(house, "secret.renewed")) == 5, what="both mended")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=70) == 0, house.logs()

        assert {one["where"] for one in refused} == {"signers.treasury-owner", "http.token"}
        assert {one["level"] for one in refused} == {"error"}
        assert not of(pager, "/one")
        assert not told(house, "run.fault")
        text = house.logs()
        for secret in (OWNER, STRANGER, "33" * 32, *TOKENS, "key-of-the-service", "/two"):
            assert secret not in text
        ops = rpc(url, "sandbox_getOps")
        assert {one["sender"] for one in ops} == {ops[0]["sender"]}


def of(pager, path):
    return [json.loads(one.body) for one in pager.got if one.path == path]


def signed_in(port, token):
    """303 to where one wanted to go, or what the door says to a wrong token."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    data = urllib.parse.urlencode({"token": token, "name": "ada", "to": "/"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/login", data=data)
    try:
        with urllib.request.build_opener(Stay()).open(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
