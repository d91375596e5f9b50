"""An owner who signs by hand, in a real browser: reads, copies, signs elsewhere, brings it back."""

import json
import os

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from support.house import POLICY, House, free_port, wait_for

pytestmark = pytest.mark.xdist_group("browser")

TOKEN = "correct-horse-battery-staple"
KEY = "0x" + "11" * 32
LOOKS = {"desk-light": (1200, 900, "light"), "phone-dark": (390, 800, "dark")}


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    """A daemon whose grant waits for a person."""
    folder, port = tmp_path_factory.mktemp("owner"), free_port()
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    owner = Account.from_key(KEY).address
    house = House(
        folder,
        policy=POLICY.replace("lifetime: 45s", "lifetime: 10m"),
        config=(
            "policies: policies/\n"
            "wallets: {sandbox: {embedded: true, state: chain.json}}\n"
            f"signers: {{treasury-owner: {{manual: '{owner}', sandbox_only: true}}}}\n"
            f"http: {{bind: '127.0.0.1:{port}', token: {{file: token}}}}\n"
        ),
    )
    house.url = f"http://127.0.0.1:{port}"
    house.start("up")
    try:
        wait_for(lambda: waits(house), what="the request")
        yield house
    finally:
        house.stop()


def waits(house):
    try:
        return httpx.get(f"{house.url}/owners/demo/pocket").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def tab(chromium, asking, request):
    width, height, scheme = LOOKS[getattr(request, "param", "desk-light")]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=asking.url)
    page = context.new_page()
    page.complaints, page.look = [], f"{width}-{scheme}"
    page.on("console", lambda m: page.complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{asking.url}/login?to=/owners/demo/pocket")
    page.fill("input[name=name]", "Ada")
    page.fill("input[name=token]", TOKEN)
    page.click("button:has-text('Sign in')")
    page.wait_for_selector("text=Bring the signature back")
    yield page
    context.close()


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_the_page_of_a_request_is_sound(tab, axe):
    """
    WCAG AA by axe, no word on the console, nothing beyond the screen's edge.
    """
    if folder := os.environ.get("TESTS_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/owner-{tab.look}.png", full_page=True)
    wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    tab.add_init_script(axe)
    tab.reload(wait_until="load")
    found = tab.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")

    assert [f"{one['id']}: {one['nodes'][0]['html'][:150]}" for one in found["violations"]] == []
    assert tab.complaints == []
    assert wide <= 0
    assert len(found["passes"]) > 8


def test_a_person_copies_signs_elsewhere_and_brings_it_back(tab, asking):
    """
    First by the wrong key: the page says whose signature that is. Then by the owner's.
    """
    tab.click("button:has-text('Copy')")
    tab.wait_for_selector("button:has-text('Copied')")
    copied = json.loads(tab.evaluate("navigator.clipboard.readText()"))
    with tab.expect_download() as download:
        tab.click("text=Download typed data")
    downloaded = json.loads(download.value.path().read_text())
    for key in ("0x" + "22" * 32, KEY):
        tab.goto(f"{asking.url}/owners/demo/pocket")
        message = encode_typed_data(full_message=copied)
        made = "0x" + bytes(Account.sign_message(message, key).signature).hex()
        tab.fill("textarea[name=signature]", made)
        tab.fill("input[name=reason]", "signed on the device")
        tab.click("button:has-text('Use this signature')")
        tab.wait_for_load_state()
        told = tab.locator("main").inner_text()
        if key != KEY:
            assert f"the signature is of {Account.from_key(key).address}" in told

    assert copied == downloaded
    assert "/grants/demo/pocket" in tab.url
    assert tab.locator("p.told").count() == 1
    assert [one for one in tab.complaints if "400" not in one] == []
    wait_for(lambda: not waits(asking), what="the signature's use")
