"""
A request that a person signs elsewhere: the file alone proves nothing about an entity's past.

Source: SEMANTICS R18, G7, G8, X15.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runner.adapters.signers.papers import Request, read_request, write_request
from runner.errors import GuardError
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.nonce import OPTION_DEFERRED, Nonce
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.policy.organisation import parse_organisation

NOW = datetime(2026, 12, 1, tzinfo=UTC)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ACCOUNT, OWNER, KEY = (address_from_bytes(bytes([n]) * 20) for n in (1, 2, 3))


def request_with(sequence):
    nonce = Nonce(parallel=0, entity_id=5, options=OPTION_DEFERRED, sequence=sequence)
    return Request(
        session="payroll/salaries",
        generation=2,
        chain=84532,
        account=ACCOUNT,
        owner=OWNER,
        session_id=bytes(16),
        nonce=nonce.value,
        key=KEY,
        permissions=(Erc20TokenTransfer(USDC, 10**9), GasLimit(0)),
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        sandbox=True,
    )


def test_g8_a_new_entity_needs_nobodys_word():
    request = request_with(0)

    assert request.approved(now=NOW) is not None
    assert not any("used before" in danger for danger in write_request(request)["dangers"])


@pytest.mark.parametrize("vouched", [None, 0, 4, 6])
def test_x15_a_used_entity_is_not_signed_on_the_files_word(vouched):
    with pytest.raises(GuardError) as caught:
        request_with(1).approved(clean_entity=vouched, now=NOW)

    assert "entity 5" in caught.value.what
    assert "--clean-entity 5" in (caught.value.hint or "")


def test_x15_a_used_entity_is_signed_once_somebody_vouches_for_it():
    assert request_with(1).approved(clean_entity=5, now=NOW) is not None


def test_x15_whoever_signs_with_a_wallet_is_told_and_the_telling_cannot_be_left_out(tmp_path):
    path = tmp_path / "request.json"
    document = write_request(request_with(3))
    path.write_text(json.dumps(document))

    assert "entity 5 was used before" in document["dangers"][0]
    assert read_request(path)[0] == request_with(3)

    path.write_text(json.dumps(document | {"dangers": document["dangers"][1:]}))
    with pytest.raises(Exception, match="`dangers` is not what the fields"):
        read_request(path)


def test_a_grant_for_ever_is_signed_by_nobody():
    forever = replace(request_with(0), expires_at=datetime(1970, 1, 1, tzinfo=UTC))

    with pytest.raises(GuardError):
        forever.approved(now=NOW)


@pytest.mark.parametrize(
    ("rule", "said"),
    [("max_lifetime: 30d", "G7.lifetime"), ("forbidden_permissions: [gas-limit]", "gas-limit")],
)
def test_what_the_organisation_forbids_is_signed_by_nobody(rule, said):
    """
    Whoever asks for it: the rules are those of the machine that signs.
    """
    rules = parse_organisation(f"version: 1\n{rule}\n", "o.yaml", environment={})
    wide = parse_organisation("version: 1\nmax_lifetime: 31d\n", "o.yaml", environment={})

    with pytest.raises(GuardError) as caught:
        request_with(0).approved(rules=rules, now=NOW)

    assert said in str(caught.value.findings)
    assert request_with(0).approved(rules=wide, now=NOW) is not None
