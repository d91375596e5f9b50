"""An owner who signs by hand, on a page: what it shows, and what counts as signed (R18, G7)."""

import json
import re

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from support.house import POLICY, free_port, rpc, served_house, wait_for

pytestmark = pytest.mark.timeout(180)

TOKEN = "correct-horse-battery-staple"
KEY, OTHER = "0x" + "11" * 32, "0x" + "22" * 32
OWNER = Account.from_key(KEY).address


class Person:
    """A browser with its cookies."""

    def __init__(self, url):
        self.web = httpx.Client(base_url=url, headers={"accept": "text/html"}, trust_env=False)

    def sign_in(self):
        self.web.post("/login", data={"token": TOKEN, "name": "Ada", "to": "/"})

    def fields(self):
        text = self.web.get("/owners/demo/pocket").text
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text))

    def bring(self, signature, **changed):
        form = {"reason": "signed on the device", **self.fields(), "signature": signature}
        return self.web.post("/actions/sign", data=form | changed)


def signed(typed_data, key):
    """As any wallet signs typed data: by eth-account, which shares no code with ours."""
    message = encode_typed_data(full_message=typed_data)
    return "0x" + bytes(Account.sign_message(message, key).signature).hex()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("house"), free_port()
    policy = POLICY.replace("lifetime: 45s", "lifetime: 10m")
    owner = f"manual: '{OWNER}', sandbox_only: true"
    with served_house(folder, policy=policy, owner=owner) as (made, chain):
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        with (folder / "runner.yaml").open("a") as config:
            config.write(f"http: {{bind: '127.0.0.1:{port}', token: {{file: token}}}}\n")
        made.start("up")
        made.web, made.chain = f"http://127.0.0.1:{port}", chain
        wait_for(lambda: waits(made), what="the request")
        yield made


def waits(house):
    try:
        return httpx.get(f"{house.web}/owners/demo/pocket").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def person(house):
    made = Person(house.web)
    made.sign_in()
    yield made
    made.web.close()


def test_the_page_shows_what_is_allowed_and_its_files_are_the_commands_own(house, tmp_path):
    """
    For whoever may read: in words, as EIP-712, and as the file of `grants request`.
    """
    page = httpx.get(f"{house.web}/owners/demo/pocket", headers={"accept": "text/html"}).text
    request = httpx.get(f"{house.web}/owner-requests/demo/pocket")
    data = httpx.get(f"{house.web}/owner-requests/demo/pocket?part=typed-data").json()
    paper = tmp_path / "request.json"
    written = house.run("grants", "request", "demo/pocket", "--out", str(paper))

    assert written.returncode == 0, written.stderr
    assert request.json() == json.loads(paper.read_text())
    assert 'filename="demo-pocket-1-request.json"' in request.headers["content-disposition"]
    assert data == request.json()["typed_data"]
    message = encode_typed_data(full_message=data)  # another library makes the same hash of it
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    assert request.json()["request_hash"] == "0x" + digest.hex()
    for told in (OWNER, request.json()["request_hash"], request.json()["account"], "usdc"):
        assert told in page
    assert "Sign in" in page
    assert "<textarea name=" not in page


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no signature of the request"),
        ("0x1234", "no signature of the request"),
        ("0x" + "zz" * 65, "65 bytes in hex"),
        ("0x" + "00" * 65, "no signature of the request"),
        ("0x" + "11" * 64 + "1b", "no signature of the request"),
    ],
)
def test_what_is_no_signature_of_the_owners_is_refused_in_words(house, person, text, why):
    """
    Nothing is written down, and the grant goes on waiting.
    """
    answer = person.bring(text)

    assert answer.status_code == 400
    assert why in answer.text
    assert waits(house)


def test_the_signature_of_somebody_else_or_of_something_else_is_refused(house, person):
    data = httpx.get(f"{house.web}/owner-requests/demo/pocket?part=typed-data").json()
    longer = json.loads(json.dumps(data))
    longer["message"]["deadline"] = int(longer["message"]["deadline"]) + 1

    other = person.bring(signed(data, OTHER))
    tampered = person.bring(signed(longer, KEY))
    stale = person.bring(signed(data, KEY), digest="0x" + "00" * 32)
    elder = person.bring(signed(data, KEY), target="demo/pocket#7")

    assert f"the signature is of {Account.from_key(OTHER).address}" in other.text
    assert f"the owner is {OWNER}" in other.text
    assert "the signature is of" in tampered.text
    assert "not what was shown" in stale.text
    assert "not what was shown" in elder.text
    assert {one.status_code for one in (other, tampered, stale, elder)} == {400}
    assert waits(house)
    assert rpc(house.chain, "sandbox_getOps") == []


def test_without_token_form_or_reason_nothing_is_taken(house, person):
    data = httpx.get(f"{house.web}/owner-requests/demo/pocket?part=typed-data").json()
    good = signed(data, KEY)
    stranger = Person(house.web)
    refused = stranger.bring(good)
    stranger.web.close()

    assert refused.status_code == 403
    assert person.bring(good, csrf="0" * 64).status_code == 403
    assert person.bring(good, reason="").status_code == 400
    assert waits(house)


def test_the_owners_signature_is_used_and_payments_run(house, person):
    """
    Wallets that say v as 0 or 1 are understood; the page is gone, the wish has name and reason.
    """
    data = httpx.get(f"{house.web}/owner-requests/demo/pocket?part=typed-data").json()
    good = bytes.fromhex(signed(data, KEY)[2:])
    odd = "0x" + (good[:64] + bytes([good[64] - 27])).hex()

    answer = person.bring(f"  {odd}\n")

    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/grants/demo/pocket?command=")
    wait_for(lambda: len(rpc(house.chain, "sandbox_getOps")) > 2, what="payments", seconds=60)
    assert httpx.get(f"{house.web}/owners/demo/pocket").status_code == 404
    (wish,) = [one for one in house.events() if one["event"] == "http.wish"]
    assert (wish["verb"], wish["author"], wish["reason"]) == ("sign", "Ada", "signed on the device")
    assert odd[2:40] not in house.logs()
