"""
Every value that the published schemas were tried on: accepted and refused as they do.

Source: tests/vectors/schema.json. Where we differ, it is written down here and why.
"""

import pytest
from pydantic import ValidationError
from support.recorded import entries, over

from runner.adapters.wallet_api.methods import METHODS

OUT_OF_SCOPE = {"wallet_requestQuote_v0", "wallet_getCrossChainStatus_v0"}
"""Swaps and cross-chain calls: methods that the runner does not speak."""

STRICTER = {
    # README §2: addresses of 20 bytes, whole bytes, amounts that fit a uint256.
    "value 33 bytes",
    "to short",
    "to 0x",
    "to not hex digits",
    "data odd length",
    "session: publicKey 64 bytes",
    "session: permission native allowance 33 bytes",
    "session: permission account-functions 3 byte selector (schema does not check length)",
    # README §6.1: at most one of the settings; a nonce key fits uint152.
    "capabilities: erc20 autoPermit + permitDetails",
    "capabilities: nonceKey 20 bytes",
    # Nobody lists one account and a half.
    "list: limit 1.5",
}
"""Accepted by the schemas, refused here."""

LOOSER = {
    # F6: codes that are not known yet are an unknown outcome, not a broken answer.
    "status code 300",
    "status code 999",
    # G7: read, so that the guard can name what was asked for when it refuses.
    "session with personal_sign request",
}
"""Refused by the schemas, accepted here."""

IN_SCOPE = [each for each in entries("schema") if each["method"] not in OUT_OF_SCOPE]


def test_what_is_left_out_is_what_the_runner_does_not_speak():
    left_out = [each for each in entries("schema") if each["method"] not in METHODS]

    assert {each["method"] for each in left_out} == OUT_OF_SCOPE
    assert len(left_out) == 4


def test_the_exceptions_are_among_the_vectors():
    names = {each["name"]: each["accepted"] for each in IN_SCOPE}

    assert all(names[name] for name in STRICTER)
    assert not any(names[name] for name in LOOSER)


@over(IN_SCOPE)
def test_a_value_is_accepted_as_the_schema_accepts_it(vector):
    method = METHODS[vector["method"]]
    reader = method.params if vector["side"] == "request params" else method.answer
    wanted = vector["accepted"] and vector["name"] not in STRICTER
    if not wanted and vector["name"] not in LOOSER:
        with pytest.raises(ValidationError):
            reader.validate_python(vector["value"])
        return

    read = reader.validate_python(vector["value"])

    written = reader.dump_python(read, mode="json", by_alias=True, exclude_unset=True)
    assert reader.validate_python(written) == read
