"""
One occurrence, its grants, a service that does what it likes, a chain, and two processes: small
enough to look at everything that can happen, in every order.

    ledger      attempts (rows), the generations of the grant
    hands       what each process has read and decided, and has not done yet
    service     every operation that was ever sent; it includes any of them, at any time, or none
    chain       final items, and soft ones that a reorganisation may take back

A step is one move of one of these. `explore` takes every step from every state, so that what holds
in all states that it finds holds whatever the order, the delays and the crashes are. Processes act
as the real ones do: read, then decide, then commit (only if the row is still as it was read), then
send; a crash between any two of these is a step like any other.

Left out, because nothing depends on it: amounts, fees, what the service answers (it is never
believed, so it may answer anything), how long things take (any delay is an order of steps).

Source: SEMANTICS S1–S6, X1–X5, X12, X13, H2, F3, F9, F10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

ATTEMPTS = 2


class Operation(NamedTuple):
    """
    Something signed. `attempt` is 0 for an activation; `installs` says that it carries the grant's
    install, which an operation does that is a generation's first use (F1, F3).
    """

    kind: str  # pay | burn | activation
    attempt: int
    generation: int
    bid: int = 0
    installs: bool = False

    @property
    def fence(self) -> tuple[int, int]:
        """
        The nonce: run and entity (F9), or, with an install, what the owner signed (F3).

        The same run under another generation is another nonce: that is what makes X1 necessary.
        """
        return (0 if self.installs else self.attempt, self.generation)


class Row(NamedTuple):
    """An attempt as the ledger has it. signed, sent and unknown are one: none is permission."""

    state: str  # claimed | restored | signed | included | success | burned | expired | missed
    operations: frozenset[Operation] = frozenset()
    seen: Operation | None = None

    @property
    def is_closed(self) -> bool:
        return self.state in {"success", "burned", "expired", "missed", "found"}


class Hand(NamedTuple):
    """What a process is about to do: a step it decided on a row as it read it, or a send."""

    step: str
    attempt: int
    read: Row | None
    operation: Operation | None = None


class World(NamedTuple):
    """Everything. `ends` in a chain stands for a block later than a generation's expiry."""

    rows: tuple[Row, ...]
    grants: tuple[str, ...]  # by generation: signed | active | draining | abandoned
    hands: tuple[Hand | None, ...]
    held: frozenset[Operation]
    soft: tuple[Operation | int, ...]
    final: frozenset[Operation | int]

    @property
    def chain(self) -> frozenset[Operation | int]:
        """All that is in a block; an integer is the end of that generation."""
        return self.final.union(self.soft)


@dataclass(frozen=True)
class Rules:
    """
    The rules of this program, each of which a mutant turns off.

    A mutant is a mistake that looks reasonable: the model is worth something only as long as it
    finds what is wrong with each.
    """

    free_is_dead: bool = False  # "the nonce is unused, so it was dropped" (X1, X3)
    believes_status: bool = False  # "the service says 400, so it failed" (X3, F6)
    payment_installs: bool = False  # a grant is activated by its first payment (X2)
    keeps_run: bool = False  # a signed run goes on under the next generation (X1)
    forgets: bool = False  # a restored ledger is believed: what it has not, was not (X18)
    any_sequence: bool = False  # sequence 1 is signed as well as 0 (S2)
    sends_first: bool = False  # sent before it is committed (X5)
    unconditional: bool = False  # no version, no unique fence (H2, X1)
    generations: int = 2
    bids: int = 1  # payments on one fence: the first, and what outbids it; then a burn
    restored: bool = False  # no mistake: a backup may be restored at any time (X18)
    head_is_final: bool = False  # inclusion and expiry by the newest block (X3, X13)
    expiry_alone: bool = False  # the grant has ended, whatever the nonce says (X3a)
    never_excludes: bool = False  # what was once seen in a block is in it (S6)
    never_proves: bool = False  # a run waits for its inclusion, whatever ends (X3a)

    # ── what a process that looks at a row may decide ─────────────────────────────────────────

    def decisions(self, world: World, attempt: int) -> Iterator[Hand]:
        """Every step that the rules allow for an open row, as the chain is seen now."""
        row = world.rows[attempt - 1]
        if row.is_closed:
            return
        if row.state == "restored":
            yield from self._reconcile(world, attempt, row)
            return
        if row.state == "claimed":
            yield Hand("miss", attempt, row)
            for generation in self._able(world):
                if operation := self._first(world, attempt, generation):
                    yield Hand("sign", attempt, row, operation)
            return
        yield from self._pursue(world, attempt, row)

    def _reconcile(self, world: World, attempt: int, row: Row) -> Iterator[Hand]:
        """
        After a restore nobody knows what was signed since. The slot's key on the chain, under any
        generation, says that it was; that it was not is certain once no generation can sign.
        """
        mine = [one for one in operations(world.final) if one.attempt == attempt]
        # What it was tried again as is looked for in the same way, and by a person's order alone.
        if mine:
            yield Hand("find", attempt, row, mine[0])
        elif all(generation in world.final for generation in range(1, len(world.grants) + 1)):
            yield Hand("miss", attempt, row)

    def _able(self, world: World) -> Iterator[int]:
        for generation, state in enumerate(world.grants, 1):
            if generation in world.chain:
                continue  # R6: nothing is signed under a grant that has ended
            if state == "active" or (self.payment_installs and state == "signed"):
                yield generation

    def _first(self, world: World, attempt: int, generation: int) -> Operation | None:
        installs = self.payment_installs and world.grants[generation - 1] == "signed"
        operation = Operation("pay", attempt, generation, 0, installs)
        used = [one for one in operations(world.chain) if one.fence == operation.fence]
        if not used:
            return operation
        # The service prepares the next sequence on a used key without a word (F10).
        return operation._replace(bid=9) if self.any_sequence else None

    def _pursue(self, world: World, attempt: int, row: Row) -> Iterator[Hand]:
        mine = row.operations
        fences = {one.fence for one in mine}
        deep = world.chain if self.head_is_final else world.final
        seen = next((one for one in operations(world.chain) if one in mine), None)
        if row.state == "included":
            if seen is not row.seen and not self.never_excludes:
                yield Hand("exclude", attempt, row)
            elif row.seen in deep:
                yield Hand("close", attempt, row)
            return
        if seen is not None:
            yield Hand("include", attempt, row, seen)
        else:
            yield from (Hand("send", attempt, None, one) for one in sorted(mine))
            yield from self._outbids(world, attempt, row)
            free = not any(one.fence in fences for one in operations(world.final))
            ended = all(generation in deep for _, generation in fences)
            if ended and free and not self.never_proves:
                yield Hand("expire", attempt, row)
            if free and self.free_is_dead:
                yield Hand("expire", attempt, row)
        if self.believes_status:
            yield Hand("expire", attempt, row)
        if self.expiry_alone and all(generation in deep for _, generation in fences):
            yield Hand("expire", attempt, row)

    def _outbids(self, world: World, attempt: int, row: Row) -> Iterator[Hand]:
        newest = max(row.operations, key=lambda one: one.bid)
        following = newest._replace(bid=newest.bid + 1)
        if newest.kind == "pay" and following.bid < self.bids:
            yield Hand("sign", attempt, row, following)
        if following.bid <= self.bids and not newest.installs:
            yield Hand("sign", attempt, row, following._replace(kind="burn"))
        # "A failed activation is abandoned and asked anew; no payment notices."
        fails = newest.installs and world.grants[newest.generation - 1] == "abandoned"
        if self.keeps_run or fails:
            for generation in self._able(world):
                if generation != newest.generation:
                    again = Operation("pay", attempt, generation, installs=fails)
                    if again not in row.operations:
                        yield Hand("sign", attempt, row, again)


def operations(items: frozenset[Operation | int]) -> Iterator[Operation]:
    """The operations among what is on a chain."""
    return (one for one in items if isinstance(one, Operation))


def start(processes: int) -> World:
    """A slot has been claimed; there is no grant yet."""
    return World((Row("claimed"),), (), (None,) * processes, frozenset(), (), frozenset())


# ── the moves ─────────────────────────────────────────────────────────────────────────────────


def moves(world: World, rules: Rules, *, reorgs: bool = True) -> Iterator[tuple[str, World]]:
    """Everything that can happen next, named."""
    for name, following in _moves(world, rules, reorgs=reorgs):
        yield name, _settled(following, rules)


def _moves(world: World, rules: Rules, *, reorgs: bool) -> Iterator[tuple[str, World]]:
    yield from _process_moves(world, rules)
    yield from _grant_moves(world, rules)
    yield from _chain_moves(world, reorgs=reorgs)
    # A person may have a run tried again whose burn is final (S4).
    if world.rows[-1].state == "burned" and len(world.rows) < ATTEMPTS:
        yield "operator retries", world._replace(rows=(*world.rows, Row("claimed")))
    if world.rows[-1].state == "found" and len(world.rows) < ATTEMPTS:
        yield "operator retries", world._replace(rows=(*world.rows, Row("restored")))
    if rules.restored and world.rows[0].state not in {"claimed", "restored"}:
        before = (Row("claimed" if rules.forgets else "restored"),)
        yield (
            "the backup is restored",
            world._replace(rows=before, hands=(None,) * len(world.hands)),
        )


def fair_moves(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """What happens even where the service includes nothing ever again, and nobody interferes."""
    for name, following in moves(world, rules, reorgs=False):
        if not name.startswith(("include", "crash", "operator")):
            yield name, following


def _process_moves(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    for process, hand in enumerate(world.hands):
        who = f"P{process + 1}"
        if hand is None:
            for decided in rules.decisions(world, len(world.rows)):
                yield f"{who} reads, will {_named(decided)}", _take(world, process, decided)
            continue
        yield f"crash of {who}", _take(world, process, None)
        if hand.step == "send":
            sent = world._replace(held=world.held | {_operation(hand)})
            yield f"{who} sends {_named(hand)}", _take(sent, process, None)
        elif hand.step == "sign" and rules.sends_first and _operation(hand) not in world.held:
            sent = world._replace(held=world.held | {_operation(hand)})
            yield f"{who} sends first {_named(hand)}", sent
        else:
            yield f"{who} commits {_named(hand)}", _commit(world, rules, process, hand)


def _commit(world: World, rules: Rules, process: int, hand: Hand) -> World:
    """The row changes only if it is as it was read (H2); a lost race drops the work."""
    row = world.rows[hand.attempt - 1]
    if row != hand.read and not rules.unconditional:
        return _take(world, process, None)
    following: Hand | None = None
    if hand.step == "sign":
        operation = _operation(hand)
        changed = Row("signed", row.operations | {operation})
        following = Hand("send", hand.attempt, None, operation)
    elif hand.step == "include":
        changed = row._replace(state="included", seen=hand.operation)
    elif hand.step == "exclude":
        changed = row._replace(state="signed", seen=None)
    elif hand.step == "close":
        burned = row.seen is not None and row.seen.kind == "burn"
        changed = row._replace(state="burned" if burned else "success")
    elif hand.step == "find":
        changed = Row("success" if _operation(hand).kind == "pay" else "found")
    else:
        changed = row._replace(state={"expire": "expired", "miss": "missed"}[hand.step])
    rows = (*world.rows[: hand.attempt - 1], changed, *world.rows[hand.attempt :])
    # Only what is proved dead is tried again by itself (S4), in the same transaction.
    if hand.step == "expire" and len(rows) < ATTEMPTS and hand.attempt == len(rows):
        rows = (*rows, Row("claimed"))
    return _take(world._replace(rows=rows), process, following)


def _grant_moves(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    count = len(world.grants)
    if count < rules.generations and "signed" not in world.grants:
        # The owner signs; whoever holds the context may use it, the service first of all.
        held = world.held
        if not rules.payment_installs:
            held = held | {Operation("activation", 0, count + 1, installs=True)}
        yield (
            f"generation {count + 1} is signed",
            world._replace(grants=(*world.grants, "signed"), held=held),
        )
    for generation, state in enumerate(world.grants, 1):
        if state != "signed":
            continue
        # Given up for whatever reason: refused, too late, never seen. It may still be installed.
        yield (
            f"generation {generation} is abandoned",
            _granted(world, generation, "abandoned"),
        )
        if any(one.installs and one.generation == generation for one in operations(world.final)):
            drained = tuple("draining" if one == "active" else one for one in world.grants)
            yield (
                f"generation {generation} is active",
                _granted(world._replace(grants=drained), generation, "active"),
            )


def _chain_moves(world: World, *, reorgs: bool) -> Iterator[tuple[str, World]]:
    on_chain = world.chain
    used = {one.fence for one in operations(on_chain)}
    installed = {one.generation for one in operations(on_chain) if one.installs}
    for one in sorted(world.held - on_chain):
        # A used key has sequence 1 next, for which only `any_sequence` has a signature (bid 9).
        fits = (one.fence in used) == (one.bid >= 9)
        lives = one.generation not in on_chain
        if fits and lives and (one.installs or one.generation in installed):
            yield f"include {_call(one)}", world._replace(soft=(*world.soft, one))
    for generation in range(1, len(world.grants) + 1):
        if generation not in on_chain:
            yield f"generation {generation} ends", world._replace(soft=(*world.soft, generation))
    if world.soft:
        first, rest = world.soft[0], world.soft[1:]
        yield "a block is final", world._replace(soft=rest, final=world.final | {first})
        if reorgs:
            yield "reorganisation", world._replace(soft=world.soft[:-1])


def _take(world: World, process: int, hand: Hand | None) -> World:
    hands = (*world.hands[:process], hand, *world.hands[process + 1 :])
    return world._replace(hands=hands)


def _settled(world: World, rules: Rules) -> World:
    """The same world, told once: which process holds what is no difference, nor a lost race."""
    if rules.unconditional:
        hands = list(world.hands)
    else:
        hands = [None if _is_idle(hand, world) else hand for hand in world.hands]
    if len(hands) > 1:
        hands.sort(key=repr)
    return world._replace(hands=tuple(hands))


def _is_idle(hand: Hand | None, world: World) -> bool:
    """Its commit would find another row, its send is one that the service has already."""
    if hand is None or hand.step == "send":
        return hand is None or hand.operation in world.held
    return len(world.rows) < hand.attempt or world.rows[hand.attempt - 1] != hand.read


def _granted(world: World, generation: int, state: str) -> World:
    grants = (*world.grants[: generation - 1], state, *world.grants[generation:])
    return world._replace(grants=grants)


def _operation(hand: Hand) -> Operation:
    if hand.operation is None:
        raise AssertionError(f"{hand.step} has no operation")
    return hand.operation


def _named(hand: Hand) -> str:
    return hand.step if hand.operation is None else f"{hand.step} {_call(hand.operation)}"


def _call(one: Operation) -> str:
    return f"{one.kind}(attempt {one.attempt}, generation {one.generation}, bid {one.bid})"
