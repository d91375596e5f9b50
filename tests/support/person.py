"""Somebody in front of a running daemon's pages."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from support.house import HOT_OWNER, House, free_port

TOKEN = "correct-horse-battery-staple"


class Person:
    """A browser with its cookies, on a page of the daemon."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.web = httpx.Client(base_url=url, headers={"accept": "text/html"}, trust_env=False)

    def sign_in(self, token=TOKEN, name="Ada"):
        return self.web.post("/login", data={"token": token, "name": name, "to": "/waiting"})

    def page(self, path):
        answer = self.web.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def csrf(self):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.page("/login"))[1]

    def act(self, verb, **form):
        form = {"csrf": self.csrf(), "reason": "because of a test", "to": "/", **form}
        return self.web.post(f"/actions/{verb}", data=form)

    def by_token(self, verb, **form):
        """As a script does it: the token in a header, the answer in JSON."""
        headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json"}
        form = {"reason": "because of a test", **form}
        return httpx.post(f"{self.url}/actions/{verb}", data=form, headers=headers)

    def told(self, answer):
        """The page that an action leads to, and what it says came of it."""
        assert answer.status_code == 303, answer.text
        text = self.page(answer.headers["location"])
        return re.search(r'<p class="told\s*" role="status">(.*?)</p>', text)[1]


def is_ready(url):
    """Whether a daemon has looked around."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def house_with_pages(folder: Path, policy: str) -> House:
    """A daemon that is starting, with a dashboard on which things can be changed."""
    port = free_port()
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    made = House(
        folder,
        policy=policy,
        config=(
            "policies: policies/\n"
            "wallets: {sandbox: {embedded: true, state: chain.json}}\n"
            f"signers: {{treasury-owner: {{{HOT_OWNER}}}}}\n"
            f"http: {{bind: '127.0.0.1:{port}', token: {{file: token}}}}\n"
        ),
    )
    made.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
    made.start("up")
    return made
