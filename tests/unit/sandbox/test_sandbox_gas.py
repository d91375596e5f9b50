"""The gas model stays close to what was measured on the published contracts."""

from __future__ import annotations

import pytest

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_transfer
from runner.ethereum.installation import session_installation
from runner.ethereum.modular_account import encode_call_data
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.guard.scope import installed, read_operation
from runner.sandbox import gas
from runner.sandbox.entity import OWNER

ACCOUNT = Address("0x1111111111111111111111111111111111111111")
TOKEN = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
TRANSFER_GAS = 15_000
"""Of the call itself, to a known holder, storage cold."""

EXPIRY = 1_900_000_000

# Source: onchain-facts.md §8, "charged", columns deploy + install, install, fresh, used lane.
MEASURED = [
    ([Erc20TokenTransfer(TOKEN, 9)], 0, (616_924, 518_472, 161_477, 144_389)),
    ([Erc20TokenTransfer(TOKEN, 9)], EXPIRY, (674_496, 576_007, 170_427, 153_339)),
    (
        [Erc20TokenTransfer(TOKEN, 9), NativeTokenTransfer(0), GasLimit(10**18)],
        EXPIRY,
        (765_178, 666_669, 192_065, 174_977),
    ),
    ([ContractAccess(TOKEN)], EXPIRY, (508_149, 409_742, 148_372, 131_284)),
    ([Root()], 0, (292_611, 194_207, 126_710, 109_622)),
]


def charged(permissions, expiry, *, installs, deploys, fresh):
    session = installed(permissions, expiry=expiry)
    call = Call(TOKEN, 0, encode_transfer(ACCOUNT, 5))
    data = encode_call_data([call], account=ACCOUNT, execution_hooks=session.has_execution_hooks)
    installation = session_installation(permissions, key=ACCOUNT, entity_id=1, expiry=expiry)
    verification = gas.verification_gas(
        session,
        read_operation(data, account=ACCOUNT),
        is_owner=session is OWNER,
        fresh_lane=fresh,
        installs=installation if installs else None,
        deploys=deploys,
    )
    return gas.pre_verification_gas(data) + verification + TRANSFER_GAS


@pytest.mark.parametrize(("permissions", "expiry", "measured"), MEASURED)
def test_charges_what_the_contracts_charge_within_a_tenth(permissions, expiry, measured):
    modelled = [
        charged(permissions, expiry, installs=True, deploys=True, fresh=True),
        charged(permissions, expiry, installs=True, deploys=False, fresh=True),
        charged(permissions, expiry, installs=False, deploys=False, fresh=True),
        charged(permissions, expiry, installs=False, deploys=False, fresh=False),
    ]

    assert modelled == [pytest.approx(each, rel=0.1) for each in measured]
    assert modelled[2] - modelled[3] == 17_100
