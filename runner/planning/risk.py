"""
What a thief of a session key could take, and what stands in the way.

The chain enforces what was granted: allowances, targets, functions, gas, the end. Everything else
that a policy says (receivers, budgets, approvals, the amounts themselves) is kept by the runner
alone, and a thief does not use the runner. So the answer is read off the tables that the account
will hold, with the traps that contracts and builders leave open.

Pure. That no accepted batch takes more than is said here is tested against the scope engine.

Source: semantics.md §1, §2 and §6; DESIGN §5; SEMANTICS R14.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from enum import StrEnum

from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.erc20 import APPROVE, TRANSFER, TRANSFER_FROM
from runner.ethereum.permissions import Erc20TokenTransfer, Permission
from runner.frozen import frozen
from runner.guard.scope import Allowances, Installed, initial_allowances, installed

ENTRY_POINT = Address("0x0000000071727De22E5E9d8BAf0edAc6f37da032")

_MODULES = frozenset(
    {
        contracts.SINGLE_SIGNER_MODULE,
        contracts.WEBAUTHN_MODULE,
        contracts.ALLOWLIST_MODULE,
        contracts.ALLOWLIST_MODULE_2_0_0,
        contracts.NATIVE_LIMIT_MODULE,
        contracts.TIME_RANGE_MODULE,
        contracts.PAYMASTER_GUARD_MODULE,
    }
)
_WIDENING = {
    bytes.fromhex(selector): name
    for selector, name in {
        "4380c278": "updateLimits",
        "71280be3": "updateLimits",
        "798053f1": "updateAllowlist",
        "c67151f6": "deleteAllowlist",
        "77a04242": "setAddressAllowlist",
        "e1ded0b0": "setSelectorAllowlist",
        "5c6e5169": "updateSpecialPaymaster",
        "e762c77c": "setTimeRange",
        "4aeb3b03": "transferSigner",
        "6d61fe70": "onInstall",
        "8a91b0e3": "onUninstall",
    }.items()
}
"""Functions by which modules let an account change what they hold for it."""

_AS_ROOT = {
    contracts.INSTALL_EXECUTION: "installExecution",
    contracts.UNINSTALL_EXECUTION: "uninstallExecution",
    contracts.UPDATE_FALLBACK_SIGNER: "updateFallbackSignerData (a new owner)",
    contracts.EXECUTE_USER_OP: "executeUserOp",
    contracts.INSTALL_VALIDATION: "installValidation",
    contracts.UNINSTALL_VALIDATION: "uninstallValidation",
    contracts.UPGRADE_TO_AND_CALL: "upgradeToAndCall",
    contracts.PERFORM_CREATE: "performCreate",
    contracts.EXECUTE_WITH_RUNTIME_VALIDATION: "executeWithRuntimeValidation",
}
"""
Functions of the account that no key should have. The session builder knows the first two by wrong
selectors and grants the first four.
"""

_DEPOSIT = {
    bytes.fromhex("205c2878"): "withdrawTo",
    bytes.fromhex("c23a5cea"): "withdrawStake",
    contracts.INCREMENT_NONCE: "incrementNonce",
}
_MOVES = frozenset(
    {
        TRANSFER,
        APPROVE,
        TRANSFER_FROM,
        bytes.fromhex("39509351"),  # increaseAllowance(address,uint256)
        bytes.fromhex("d73dd623"),  # increaseApproval(address,uint256)
        bytes.fromhex("1296ee62"),  # transferAndCall(address,uint256)
        bytes.fromhex("4000aea0"),  # transferAndCall(address,uint256,bytes)
        bytes.fromhex("3177029f"),  # approveAndCall(address,uint256)
        bytes.fromhex("cae9ca51"),  # approveAndCall(address,uint256,bytes)
        bytes.fromhex("9bd9bbc6"),  # send(address,uint256,bytes)
        bytes.fromhex("42966c68"),  # burn(uint256)
        bytes.fromhex("fe9d9303"),  # burn(uint256,bytes)
    }
)
"""Functions by which a token lets its holder part with it."""

_PLAIN = bytes(4)
"""What empty calldata counts as."""


class Way(StrEnum):
    """How something is taken."""

    ANYTHING = "anything"
    TOKEN = "token"  # noqa: S105 (a kind of loss, not a secret)
    VALUE = "value"
    GAS = "gas"


@frozen
class Loss:
    """
    What can be taken of one asset in one way.

    Attributes:
        token: None for the coin.
        amount: In base units; None: all that the account holds, now or later.
        by: The permission that allows it, or whose lack does.
        to: Whom it can go to; empty: anyone.
    """

    token: Address | None
    amount: int | None
    way: Way
    by: str
    to: tuple[Address, ...] = ()


@frozen
class Reach:
    """A contract that can be called, beyond tokens: by these functions, or (None) by any."""

    target: Address
    functions: tuple[bytes, ...] | None


@frozen
class Trap:
    """Something that a set of permissions allows and hardly anyone means."""

    id: str
    what: str


@frozen
class Exposure:
    """The worst that one key can do."""

    losses: tuple[Loss, ...]
    reaches: tuple[Reach, ...]
    traps: tuple[Trap, ...]

    def most(self, token: Address | None) -> int | None:
        """All that can be taken of one asset; None: everything."""
        return _sum(loss.amount for loss in self.losses if loss.token == token)


def exposure(
    permissions: Sequence[Permission],
    *,
    tokens: Collection[Address],
    left: Allowances | None = None,
    previous: Installed | None = None,
) -> Exposure:
    """
    Say what one key can do at worst.

    Args:
        tokens: What the account may hold; tokens that the permissions name come on top.
        left: What its limits still allow; by default what was granted.
        previous: What an earlier key under the same entity id left behind.
    """
    sealed = installed(permissions, previous=previous)
    left = initial_allowances(permissions) if left is None else left
    named = [p.address for p in permissions if isinstance(p, Erc20TokenTransfer)]
    everything = list(dict.fromkeys([*tokens, *named]))
    widening = tuple(_widening(sealed))
    if widening:
        losses = [Loss(token, None, Way.ANYTHING, widening[0].id) for token in (None, *everything)]
    else:
        losses = [loss for token in everything if (loss := _of_token(sealed, left, token))]
        losses += [loss for loss in (_of_value(sealed, left), _of_gas(sealed, left)) if loss]
    traps = (*widening, *_traps(permissions, sealed, losses, everything, previous))
    return Exposure(tuple(losses), tuple(_reaches(sealed, everything)), traps)


def together(exposures: Iterable[Exposure], token: Address | None) -> int | None:
    """What all these keys can take of one asset; None: everything (R14)."""
    return _sum(one.most(token) for one in exposures)


def _sum(amounts: Iterable[int | None]) -> int | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


# ── losses ────────────────────────────────────────────────────────────────────────────────────


def _reachable(sealed: Installed, target: Address) -> Set[bytes] | None:
    """The functions of a target that the allowlist lets through; None: all of them."""
    if not sealed.allowlist_hook:
        return frozenset()
    entry = sealed.allowlist.entries.get(target)
    if entry is None or not entry.allowed:
        return _anywhere(sealed)
    if entry.by_selector:
        return sealed.allowlist.selectors.get(target, frozenset())
    return None


def _anywhere(sealed: Installed) -> frozenset[bytes]:
    """The functions that every target without an entry of its own accepts."""
    if not sealed.allowlist_hook:
        return frozenset()
    return sealed.allowlist.selectors.get(ZERO_ADDRESS, frozenset())


def _is_limited(sealed: Installed, token: Address) -> bool:
    entry = sealed.spending.entries.get(token)
    return sealed.token_hook and entry is not None and entry.limited


def _of_token(sealed: Installed, left: Allowances, token: Address) -> Loss | None:
    functions = _reachable(sealed, token)
    if _is_limited(sealed, token):
        if functions is None or functions & {TRANSFER, APPROVE}:
            return Loss(token, left.erc20.get(token, 0), Way.TOKEN, Erc20TokenTransfer.kind)
        return None
    if functions is None:
        return Loss(token, None, Way.TOKEN, "contract-access")
    if functions & _MOVES:
        own = sealed.allowlist.entries.get(token)
        listed = own is not None and own.allowed
        by = "functions-on-contract" if listed else "functions-on-all-contracts"
        return Loss(token, None, Way.TOKEN, by)
    return None


def _of_value(sealed: Installed, left: Allowances) -> Loss | None:
    """
    Coin sent along with calls. A token under a limit takes none: its functions are not payable.
    """
    takes = tuple(
        target
        for target, entry in sealed.allowlist.entries.items()
        if entry.allowed
        and _reachable(sealed, target) != frozenset()
        and not _is_limited(sealed, target)
    )
    anyone = bool(_anywhere(sealed))
    if not sealed.allowlist_hook or not (takes or anyone):
        return None
    by = "native-token-transfer" if sealed.native_hook else "no native-token-transfer"
    amount = left.native if sealed.native_hook else None
    return Loss(None, amount, Way.VALUE, by, () if anyone else takes)


def _of_gas(sealed: Installed, left: Allowances) -> Loss:
    """
    Coin burned as gas, by operations that nobody sponsors: a thief may include them himself.
    """
    by = "gas-limit" if sealed.gas_hook else "no gas-limit"
    return Loss(None, left.gas if sealed.gas_hook else None, Way.GAS, by)


def _reaches(sealed: Installed, tokens: Collection[Address]) -> Iterator[Reach]:
    for target, entry in sealed.allowlist.entries.items():
        if not entry.allowed or (target in tokens and _is_limited(sealed, target)):
            continue
        functions = _reachable(sealed, target)
        if functions is None or functions:
            yield Reach(target, None if functions is None else tuple(sorted(functions)))
    if anywhere := _anywhere(sealed):
        yield Reach(ZERO_ADDRESS, tuple(sorted(anywhere)))


# ── traps ─────────────────────────────────────────────────────────────────────────────────────


def _widening(sealed: Installed) -> Iterator[Trap]:
    """What lets the key lift its own limits: nothing that was granted bounds it then."""
    if sealed.is_global:
        yield Trap("root", "root allows all that the owner can do, its own end included")
    for selector in sorted(sealed.functions & _AS_ROOT.keys()):
        yield Trap(
            "account-function", f"the account's function {_AS_ROOT[selector]} is as strong as root"
        )
    for module in sorted(_MODULES):
        entry = sealed.allowlist.entries.get(module)
        if entry is None or not entry.allowed:
            continue
        functions = _reachable(sealed, module)
        if functions is None or functions & _WIDENING.keys():
            yield Trap(
                "module", f"calls to the module {module} rewrite the limits of this very key"
            )
    for selector in sorted(_anywhere(sealed) & _WIDENING.keys()):
        yield Trap(
            "module",
            f"{_WIDENING[selector]} on all contracts reaches the account's own modules, and so "
            "the limits of this very key",
        )


def _traps(
    permissions: Sequence[Permission],
    sealed: Installed,
    losses: Sequence[Loss],
    tokens: Collection[Address],
    previous: Installed | None,
) -> Iterator[Trap]:
    for loss in losses:
        if loss.way is Way.VALUE and loss.amount is None:
            whom = "anyone" if not loss.to else "the contracts that it may call"
            yield Trap(
                "unlimited-value",
                f"without native-token-transfer all of the account's coin can be sent to {whom}",
            )
        if loss.way is Way.GAS and loss.amount is None:
            yield Trap(
                "unlimited-gas",
                "without gas-limit all of the account's coin can be burned as gas",
            )
    if _PLAIN in _anywhere(sealed):
        yield Trap(
            "plain-coin-to-anyone",
            "selector 0x00000000 on all contracts admits calls without data: coin to anyone",
        )
    if _anywhere(sealed) & _MOVES:
        yield Trap("any-token", "a token function on all contracts moves every token, unlimited")
    yield from _entry_point(sealed)
    for token in tokens:
        given = [p for p in permissions if isinstance(p, Erc20TokenTransfer) and p.address == token]
        if len(given) > 1:
            yield Trap(
                "last-allowance-wins",
                f"of {len(given)} allowances for {token} the last one counts, not their sum",
            )
    if previous is not None and previous != Installed():
        yield Trap(
            "inherited-tables",
            "it was given an entity id that was in use before, and inherits what that one allowed",
        )


def _entry_point(sealed: Installed) -> Iterator[Trap]:
    entry = sealed.allowlist.entries.get(ENTRY_POINT)
    functions = _reachable(sealed, ENTRY_POINT)
    own = entry is not None and entry.allowed
    if (own and functions is None) or (functions or frozenset()) & _DEPOSIT.keys():
        yield Trap(
            "entry-point",
            "through the EntryPoint it can withdraw the account's deposit and void its nonces",
        )
