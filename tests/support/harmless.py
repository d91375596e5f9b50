"""What may differ in an honest answer without harm, and why; everything else has to be refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from runner.adapters.wallet_api.messages import operation_offer
from runner.errors import RunnerError
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import user_operation_hash
from support.mutations import MALLORY, Mutation

SIBLINGS: dict[str, Any] = {
    "factory": MALLORY,
    "factoryData": "0x1234",
    "paymaster": MALLORY,
    "paymasterData": "0x12",
    "paymasterVerificationGasLimit": "0x1",
    "paymasterPostOpGasLimit": "0x1",
    "initCode": MALLORY,
    "paymasterAndData": MALLORY,
    "authorization": {"address": MALLORY, "nonce": "0x0", "chainId": "0x14a34"},
    "eip7702Auth": {"address": MALLORY, "nonce": "0x0", "chainId": "0x14a34"},
    "signature": "0x12",
    "entryPoint": MALLORY,
    "salt": "0x" + "00" * 32,
    "name": "x",
    "raw": "0x12",
    "unheardOf": 1,
}
"""Members that stand elsewhere, or nowhere."""

_IGNORED = "members that nobody knows there are ignored (README §2), and never sent back"
_TOLD = r"details|details\.data|feePayment|signatureRequest|signatureRequest\.data"
_STRANGE = "initCode|paymasterAndData|authorization|eip7702Auth|signature|entryPoint"
MAY_DIFFER = (
    (rf"^(?!({_STRANGE}): )\w+: added", _IGNORED),
    (rf"^({_TOLD})\.\w+: added", _IGNORED),
    (r"^details\.data\.calls\.\d+\.\w+: added", _IGNORED),
    (
        r"^data\.(salt|name|raw|unheardOf): added",
        _IGNORED + "; the hash is of the members that are known",
    ),
    (r"^details: deleted", "what a service says besides is optional (README §6.2)"),
    (r"^data\.paymasterPostOpGasLimit: deleted", "absent it is 0 (README §6.2), as it was"),
    (r"^details\.data\.calls\.\d+\.(value|data): deleted", "absent is 0 and empty (README §6)"),
    (r"^feePayment\.maxAmount: ", "what gas may cost is not signed; above max_fee it is refused"),
)
"""Of an answer to `wallet_prepareCalls`: patterns of mutations, and why they do no harm."""

_SMALL = (
    r"(digit \d+ flipped|one more|one less|ten times|a byte more|a byte less|cut in half|odd"
    r"|zero|nobody|someone else|a word of zeros|deleted)$"
)
FITTING = (
    *MAY_DIFFER,
    (
        rf"^data\.\w*(Gas|GasLimit|maxFeePerGas|maxPriorityFeePerGas): {_SMALL}",
        "gas is the service's to estimate, as long as all of it costs less than max_fee",
    ),
    (r"^data\.paymasterData: ", "what the pinned sponsor wants to read is the sponsor's"),
)
"""The same, where every digest has been made to fit what was changed."""

GRANT_MAY_DIFFER = (
    (r"^\w+: added", _IGNORED),
    (r"^signatureRequest(\.data)?\.\w+: added", _IGNORED),
    (r"^signatureRequest\.data\.types\.DeferredAction\.\d+\.\w+: added", _IGNORED),
    (r"^sessionId: ", "a name of the service's own: what is signed does not hold it"),
    (
        r"^signatureRequest\.data\.message\.(nonce|deadline): (as hex|as an integer|without 0x)",
        "the same number in another notation (README §2)",
    ),
)
"""Of an answer to `wallet_createSession`."""


def is_listed(mutation: Mutation, patterns: Sequence[tuple[str, str]]) -> bool:
    """Whether one of these patterns says that a mutation does no harm."""
    return any(re.search(pattern, str(mutation)) for pattern, _ in patterns)


def refitted(answer: Any) -> Any:
    """The answer with digests that fit its operation; None where there is none to be read."""
    try:
        offer = operation_offer(answer, "test")
        digest = user_operation_hash(offer.operation, offer.chain_id)
    except (RunnerError, AttributeError, KeyError, TypeError):
        return None
    if answer["signatureRequest"]["type"] != "personal_sign":
        return None
    answer["signatureRequest"]["data"] = {"raw": "0x" + digest.hex()}
    answer["signatureRequest"]["rawPayload"] = "0x" + personal_sign_digest(digest).hex()
    if "details" in answer:
        answer["details"]["data"]["hash"] = "0x" + digest.hex()
    return answer
