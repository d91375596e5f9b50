"""The end of a pause: what was skipped in it, what that costs, and how to pay it (X20, O3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runner.cli.asking import ask, author, confirm, is_running, known_policies, write_beside
from runner.cli.loading import settings_of
from runner.cli.options import now
from runner.cli.render import hint, note, write_json
from runner.cli.slots import LATER
from runner.reporting.text import in_all, plural, rfc3339, stamp

if TYPE_CHECKING:
    from runner.execution.contexts import Terms
    from runner.records import Pause, PauseScope
    from runner.reporting.views import OccurrenceView


@dataclass(frozen=True)
class _Skipped:
    """Slots of one schedule that a pause has skipped; terms are None if its policy is gone."""

    schedule: str
    slots: tuple[OccurrenceView, ...]
    terms: Terms | None

    @property
    def cost(self) -> str:
        return "" if self.terms is None else f": {in_all(self.terms.most.lines, len(self.slots))}"

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"schedule": self.schedule, "slots": [one.slot for one in self.slots]}

    def tell(self) -> None:
        first, last = self.slots[0].due_at, self.slots[-1].due_at
        when = stamp(first) if first == last else f"{stamp(first)} to {stamp(last)}"
        note(f"{self.schedule}: {plural(len(self.slots), 'slot')} skipped, {when}{self.cost}")
        after = rfc3339(last + timedelta(seconds=1))
        hint(
            f"to pay what was skipped: runner schedules backfill {self.schedule} "
            f"--from {rfc3339(first)} --to {after} --reason …"
        )


def lift(
    config: str | None,
    scope: PauseScope,
    target: str,
    reason: str,
    *,
    catch_up: str | None,
    yes: bool,
    form: str,
) -> None:
    """
    Let what the scope names go on; replay nothing unless asked to.

    Raises:
        UsageError: it is not paused.
    """
    from runner.adapters.sql.pauses import lift_pause
    from runner.reporting import scripts

    skipped = _skipped(config, scope, target)
    chosen = [_chosen(one, catch_up) for one in skipped if catch_up is not None]
    if chosen:
        told = ", ".join(
            f"{one.schedule} {plural(len(one.slots), 'slot')}{one.cost}" for one in chosen
        )
        confirm(f"Pay what was skipped ({told})?", yes=yes)
    ended = write_beside(
        config,
        lambda tx: lift_pause(tx, scope, target, reason=reason, author=author(), now=now()),
    )
    say = note if form != "json" else _unsaid
    say(f"{ended.subject} goes on with its next slot")
    for one in chosen:
        names = [slot.slot for slot in one.slots]
        command = ask(config, "schedule.backfill", one.schedule, reason, slots=names)
        say(f"{one.schedule}: {command.answer}")
    if form == "json":
        write_json(scripts.pause(ended) | {"skipped": [one.as_json() for one in skipped]})
        return
    if chosen and not is_running(settings_of(config)):
        hint(LATER)
    for one in skipped if catch_up is None else ():
        one.tell()


def _unsaid(text: str) -> None:
    """Scripts read the rows."""


def _chosen(one: _Skipped, catch_up: str | None) -> _Skipped:
    slots = one.slots if catch_up == "all" else one.slots[-1:]
    return _Skipped(one.schedule, slots, one.terms)


def _skipped(config: str | None, scope: PauseScope, target: str) -> list[_Skipped]:
    from runner.adapters.sql import reading
    from runner.bootstrap.assembly import terms_of

    terms = terms_of(known_policies(config))
    with reading.ledger(settings_of(config).store) as ledger:
        found = [
            one for one in reading.pauses(ledger) if (one.scope, one.target) == (scope, target)
        ]
        if not found:
            return []  # lifting it will say so
        pause: Pause = found[0]
        covered = reading.schedules_under(ledger, scope, target)
        skipped = reading.skipped_since(ledger, covered, pause.since)
    return [_Skipped(uid, tuple(slots), terms.get(uid)) for uid, slots in sorted(skipped.items())]
