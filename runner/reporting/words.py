"""
States and reasons in words: what each means, and what a person can do about it.

Every pair that the ledger may hold is here (`scheduling.occurrence.REASONS`); a test says so.
"""

from __future__ import annotations

from runner.frozen import frozen


@frozen
class Meaning:
    """`what` completes "this run …"; `todo` is None where nothing is asked of anybody."""

    what: str
    todo: str | None = None


_HANDS_OFF = "do not pay it by hand while it is open: what was signed may still be included"

_OPEN = {
    "claimed": Meaning("is ours; nothing is signed yet"),
    "prepared": Meaning("has its exact calls frozen; nothing is signed yet"),
    "signed": Meaning("is signed and about to be sent, or was sent just before a stop", _HANDS_OFF),
    "sent": Meaning("was taken by the wallet service and waits for a block"),
    "included": Meaning("is in a block and waits until that is final"),
    "unknown": Meaning(
        "is signed, and the wallet service denies it or does not answer; the chain decides",
        _HANDS_OFF,
    ),
}

_HELD = {
    "approval": Meaning(
        "waits for a person's approval",
        "compare it with what you owe, then: runner runs approve ID --reason …",
    ),
    "new_receiver": Meaning(
        "would pay an address that was never paid under this name",
        "compare the address with what the receiver told you, by another way than mail; then: "
        "runner runs approve ID --reason …",
    ),
    "near_duplicate": Meaning(
        "comes so soon after the last payment that it may pay the same thing twice",
        "compare it with the run before it; then: runner runs approve ID --reason …",
    ),
    "guard": Meaning(
        "was refused by the guard: what was offered for signature is not what the policy asks",
        "compare the findings before anything else; nothing was signed",
    ),
    "grant": Meaning(
        "has no grant to serve it",
        "see why the session has none: runner grants show SESSION",
    ),
    "preflight": Meaning(
        "could not be prepared: balance, sponsorship or a simulated revert",
        "read the detail; it is tried again by itself until its catch-up window ends",
    ),
    "budget": Meaning(
        "would go beyond a limit of the policy",
        "it goes on when the limit's period ends, or raise the limit",
    ),
    "overlap": Meaning("waits for the run before it"),
    "paused": Meaning("waits while it is paused", "let it go on: runner schedules resume"),
    "blackout": Meaning("waits for the end of a blackout"),
    "retry": Meaning(
        "failed on the chain and waits for a decision to try again",
        "see why it failed; then: runner runs retry ID --reason …",
    ),
    "evidence": Meaning(
        "has evidence on the chain that contradicts the ledger",
        "treat the session key as stolen until you know who signed; do not pay it by hand",
    ),
}

_SKIPPED = {
    "paused": Meaning("was due while its schedule was paused"),
    "overlap": Meaning("was due while the run before it was still open"),
    "budget": Meaning("would have gone beyond a limit of the policy"),
    "blackout": Meaning("was due in a blackout"),
    "grant": Meaning("had no grant to serve it"),
    "dst_gap": Meaning("named a time that the clock jumped over that day"),
    "dst_merged": Meaning("fell on another slot of its schedule when the clock jumped"),
    "removed": Meaning("belongs to a schedule that was removed from the policies"),
    "operator": Meaning("was skipped by a person"),
    "nothing_to_do": Meaning("had nothing to pay"),
}

_MISSED = {
    "late": Meaning(
        "was due while nothing ran, and its catch-up window is over",
        "nothing was paid: decide whether it still should be",
    ),
    "deadline": Meaning(
        "was not ready before its deadline",
        "nothing was paid: see its timeline for what held it up",
    ),
    "dst_gap": Meaning("named a time that the clock jumped over that day"),
}

_DEAD = {
    "burned": Meaning("was replaced by an empty operation on its nonce: it can never be paid"),
    "expired": Meaning("can never be included: its grant ended first, proved on chain"),
    "uninstalled": Meaning("can never be included: its key was uninstalled, proved on chain"),
}

_SUPERSEDED = {
    "catch_up": Meaning("was late, and a newer slot took its place"),
    "overlap": Meaning("waited, and a newer slot took its place"),
}

_BY_STATE = {
    "held": _HELD,
    "skipped": _SKIPPED,
    "missed": _MISSED,
    "not_included": _DEAD,
    "superseded": _SUPERSEDED,
}


def meaning(state: str, reason: str | None) -> Meaning:
    """What a state with its reason means; a pair that we do not know shows its own words."""
    if state == "success" and reason == "paid_differently":
        return Meaning(
            "went through, but the receipt does not show exactly the transfers that were asked for",
            "compare its operation with the policy in an explorer; the schedule is paused",
        )
    if state == "success":
        return Meaning("was paid: included and final")
    if state == "reverted":
        return Meaning(
            "was included and reverted: nothing was paid, the fee was charged",
            "see the operation in an explorer for the reason",
        )
    if state in _OPEN:
        return _OPEN[state]
    known = _BY_STATE.get(state, {}).get(reason or "")
    if known is None and state == "missed" and reason in _HELD:
        held = _HELD[reason].what
        return Meaning(f"{held}, and its catch-up window is over", _MISSED["late"].todo)
    return known or Meaning(f"is {label(state, reason)}")


def label(state: str, reason: str | None) -> str:
    """`held (grant)`, as lists show it."""
    return f"{state} ({reason})" if reason else state


CONDITIONS = {
    "Ready": Meaning("has an active grant"),
    "Renewing": Meaning("is obtaining its next grant"),
    "RenewalOverdue": Meaning(
        "should have been renewed by now",
        "see the daemon's log and `runner grants show SESSION` for the last error",
    ),
    "Expired": Meaning(
        "has no grant that is still valid: its payments wait",
        "start the daemon, and see that the owner's key is within reach",
    ),
    "Stopping": Meaning("must sign no more until its grant is uninstalled"),
    "Over": Meaning("needs no grant any more: all its schedules are completed"),
    "NoGrant": Meaning("has no grant yet; the daemon asks for it when it starts"),
}
"""The conditions of a session (R22), computed when they are read."""

CHECKED = {
    "G5.type": "an operation of EntryPoint v0.7, nothing else",
    "G5.members": "no field that v0.7 does not have",
    "B4.chain": "for the chain that was asked for",
    "B4.sender": "from the account that was asked for",
    "X1.nonce": "on the fence of this attempt, to the last bit",
    "G11.calldata": "the frozen calls, byte for byte",
    "G11.details.calls": "shown with the frozen calls",
    "B4.factory": "deploys nothing, or this very account",
    "B4.factoryData": "deploys for this owner",
    "G4.paymaster": "paid for by whom it should be",
    "G4.feePayment": "sponsored, or not, as asked",
    "G4.feeToken": "no fee in a token",
    "G2.max_fee": "costs no more than max_fee",
    "G2.maxAmount": "shown with a cost within max_fee",
    "G2.priority": "its priority fee is within its fee",
    "X21.fees": "outbids what was signed on this fence",
    "B5.hash": "its hash, computed here, is what was signed",
    "B5.rawPayload": "the payload to sign is that hash",
    "B5.details.hash": "shown with that hash",
    "B4.scope": "inside what its grant allows",
    "B4.receiver": "to receivers of the session alone",
    "B4.contract": "to contracts of the organisation alone",
    "B4.transferFrom": "pulls nothing out of the account",
    "B7.approval": "approves nothing without a bound",
}
"""What the guard looks at before a session key signs, by rule, as `runs show` tells it."""


def checked(rules: str) -> list[tuple[str, str]]:
    """Rules as the ledger keeps them, each with what it says; also one that is not known here."""
    return [(rule, CHECKED.get(rule, "held")) for rule in rules.split()]
