"""Secrets are found wherever they stand, however fast the rest is passed over."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policy import secrets
from runner.policy.secrets import find_secret, masked

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
WORDS = "abandon ability able about above absent absorb abstract absurd abuse access accident"
SECRETS = {
    "a private key": [KEY, f"0x{KEY}", f"0X{KEY.upper()}"],
    "the key of a provider": [
        "-----BEGIN EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "xprv" + "9s21ZrQH143K" * 9,
        "https://eth-mainnet.g.alchemy.com/v2/abcdefghijk",
        "alchemyapi.io/v2/abcdefghijk",
        "mainnet.infura.io/ws/v3/0123456789abcdef01",
        "mainnet.infura.io/v3/0123456789abcdef01",
        "x.quiknode.pro/0123456789abcdef01",
        "rpc.ankr.com/eth/0123456789abcdef01",
        "lb.drpc.org/ogrpc-x/0123456789abcdef01",
        "alcht_0123456789abcdefX",
        "sk_live_0123456789abc",
        "pk-test-0123456789abc",
        "rk_proj_0123456789abc",
        "AKIA0123456789ABCDEF",
        "ghp_0123456789abcdefghij",
        "eyJhbGciOiJI.eyJzdWIiOiIx",
        "postgres://user:swordfish@",
        "aB3dEfGhIjKlMnOpQrStUvWxYz012345",
    ],
    "a seed phrase": [WORDS, WORDS.replace(" ", ", "), WORDS.replace(" ", "\n  "), WORDS.upper()],
}
HARMLESS = [
    "0x00000000000000000000000000000000000a11ce",
    "11111111-2222-4333-8444-555555555555",
    "https://api.g.alchemy.com/v2",
    "https://rpc.example:8545/base",
    "the night is light, and we might go on as far as the old mill by the river and back again",
    WORDS.rsplit(" ", 2)[0],
    "1" * 64,  # an amount of base units
    f"{10**63} usdc",
    KEY[1:],
    KEY + "0",
]


@pytest.mark.parametrize(
    "around", ["{}", "key: {}", '"{}"', "a, {}. b", "[{}]", "é {} é", "\t{}\n"]
)
@pytest.mark.parametrize(
    ("kind", "secret"), [(kind, secret) for kind, all_of in SECRETS.items() for secret in all_of]
)
def test_a_secret_is_found_and_blotted_out(kind, secret, around):
    """
    Alone, between quotes, in a sentence.
    """
    text = around.format(secret)

    assert find_secret(text) == kind
    hidden = masked(text)
    assert len(hidden) == len(text)
    assert secret[-6:] not in hidden


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_let_be(text):
    """
    Addresses, identifiers, sentences.
    """
    assert find_secret(text) is None
    assert masked(text) == text


def test_64_hex_digits_are_fine_where_a_field_says_so():
    """
    A bytes32 is no key.
    """
    assert find_secret(KEY, hex64=False) is None


BITS = ["live", "eyJ", "://", "zoo", "https://a:b", "@", ",", " ", "\n", '"', "-", "ß", "0"]
pieces = st.sampled_from(
    [*(secret for all_of in SECRETS.values() for secret in all_of), *HARMLESS, *BITS]
).flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end]) | st.just(text))


@given(st.lists(pieces, max_size=30).map("".join) | st.lists(pieces, max_size=30).map(" ".join))
def test_passing_over_misses_nothing(text):
    """
    Every pattern tried on the whole text says the same.
    """
    key = re.search(secrets._PRIVATE_KEY, text)
    provider = any(re.search(pattern, text) for _, pattern in secrets._PROVIDER_KEYS)
    mixed = any(map(secrets._is_token, re.finditer(secrets._MIXED_WORD, text)))
    phrase = secrets._phrases(text)

    if key:
        expected = "a private key"
    elif provider or mixed:
        expected = "the key of a provider"
    else:
        expected = "a seed phrase" if phrase else None
    assert find_secret(text) == expected
