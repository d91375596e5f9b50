"""The organisation file: read like a policy, every fault at its place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator
from support.resolved import READERS, resolved

from runner.errors import PolicyErrors
from runner.policy.catalogue.examples import ORGANISATION_EXAMPLES
from runner.policy.language.organisation import ORGANISATION
from runner.policy.organisation import load_organisation, parse_organisation
from runner.policy.schema import SCHEMAS
from runner.policy.source import read

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
WHOLE = f"""\
version: 1
description: Rules of the treasury
tokens:
  usdc: {{decimals: 6, address: {{base-sepolia: {USDC}}}}}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  hosting: 0x0000000000000000000000000000000000000405
  vault: 0x00000000000000000000000000000000000000fa
groups: {{staff: [alice]}}
chains: [base-sepolia]
receivers: [staff, hosting]
contracts: [vault]
forbidden_permissions: [root]
max_lifetime: 45d
max_exposure: [50000 usdc]
max_fee: 0.001 native
limits: {{per_run: [10000 usdc], rolling: {{7d: [1 native]}}, timezone: Europe/Berlin}}
approve_above: [5000 usdc]
approvers: 2
"""


def faults(text: str) -> list[tuple[str, str]]:
    """Code and place of each fault; `§` stands before the character at which one points."""
    with pytest.raises(PolicyErrors) as caught:
        parse_organisation(text.replace("§", ""), "o.yaml", environment={})
    return [(one.code, str(one.where)) for one in caught.value.faults]


def place(text: str) -> str:
    before = text[: text.index("§")]
    return f"o.yaml:{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


def test_all_of_it_is_read():
    found = parse_organisation(WHOLE, "o.yaml", environment={})

    assert found.chains == {84532}
    assert sorted(found.receivers) == [
        "0x0000000000000000000000000000000000000405",
        "0x00000000000000000000000000000000000A11cE",
    ]
    assert found.contracts == {"0x00000000000000000000000000000000000000fa"}
    assert found.forbidden_permissions == {"root"}
    assert found.max_lifetime == timedelta(days=45)
    assert [money.amount for money in found.max_exposure] == [50_000_000_000]
    assert found.max_fee == 10**15
    assert [money.amount for money in found.limits.per_run] == [10_000_000_000]
    assert found.limits.timezone == "Europe/Berlin"
    assert [money.asset.name for money in found.approve_above] == ["usdc"]
    assert found.approvers == 2
    assert str(found.written["max_lifetime"]) == "o.yaml:14:15"


def test_one_without_rules_bounds_nothing():
    found = parse_organisation("version: 1\n", "o.yaml", environment={})

    assert (found.chains, found.receivers, found.contracts, found.max_lifetime) == (None,) * 4
    assert found.approvers == 1


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("P030", "version: 1\n§max_life: 45d\n"),
        ("P031", "§max_lifetime: 45d\n"),
        ("P030", "version: 1\n§sessions: {}\n"),
        ("P063", "version: 1\nreceivers: [§nobody]\n"),
        ("P041", "version: 1\nforbidden_permissions: [§rot]\n"),
        ("P052", "version: 1\nmax_exposure: [§5 usdc]\n"),
        ("P044", "version: 1\napprovers: §3\n"),
        ("P044", "version: 1\napprovers: §0\n"),
        ("P036", "version: 1\nreceivers: §[]\n"),
        ("P032", "version: 1\nreceivers: §staff\n"),
    ],
)
def test_a_fault_points_at_its_place(code, text):
    found = faults(text)

    assert [where for _, where in found] == [place(text)]
    assert [one for one, _ in found] == [code]


def test_a_file_that_is_missing_stops_everything(tmp_path):
    with pytest.raises(PolicyErrors) as caught:
        load_organisation(tmp_path / "none.yaml", name="none.yaml", environment={})

    (fault,) = caught.value.faults
    assert "cannot be read" in fault.what
    assert "without its rules nothing is done" in fault.hint


def test_each_example_is_read_by_loader_and_schema():
    validator = Draft202012Validator(SCHEMAS["organisation"]())
    examples = ORGANISATION_EXAMPLES["organisation"]
    assert set(examples) == set(ORGANISATION.keys)
    books = {
        "version": "version: 1",
        "tokens": examples["tokens"],
        "contacts": "contacts: {alice: 0x00000000000000000000000000000000000a11ce, "
        "bob: 0x0000000000000000000000000000000000000b0b, "
        "hosting: 0x0000000000000000000000000000000000000405, "
        "vault: 0x00000000000000000000000000000000000000fa}",
        "groups": examples["groups"],
    }
    for key, example in examples.items():
        if key == "contacts":
            text = f"version: 1\n{example}\n"
        else:
            text = "\n".join((books | {key: example}).values()) + "\n"
        assert parse_organisation(text, "o.yaml", environment={}).file == "o.yaml"
        root = read(text, "o.yaml").root
        for resolve in READERS.values():
            assert list(validator.iter_errors(resolved(root, resolve))) == [], text
