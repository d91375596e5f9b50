"""Settings and policies, as every command finds them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import PolicyErrors

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.planning.applied import Papers
    from runner.planning.needs import Needs
    from runner.planning.renewal import Margins
    from runner.policy.faults import Finding
    from runner.policy.model import Organisation, Policy
    from runner.policy.parse import Spread
    from runner.settings import Settings


def settings_of(config: str | None) -> Settings:
    """
    The settings: `--config`, else RUNNER_CONFIG, else ./runner.yaml, else the built-in sandbox.

    Raises:
        PolicyErrors: runner.yaml is faulty.
    """
    from runner.settings import load_settings

    return load_settings(Path(config) if config else None, os.environ, Path.cwd())


def policies_of(
    settings: Settings | None,
    paths: Sequence[Path] = (),
    *,
    now: datetime | None = None,
    one_process: bool = False,
) -> tuple[Policy, ...]:
    """
    The policies that the settings name, or those at `paths`.

    Args:
        settings: The wallets and signers to check against; None leaves that out.
        now: Warn also of what is hardly meant, as seen from this moment. Whether grants would
            carry the schedules is looked at in any case, as of now.
        one_process: Start no others: where threads run, a fork may never end.

    Raises:
        PolicyErrors: every fault of every file.
    """
    from runner.cli.spread import spread, weight_of
    from runner.policy.parse import all_here

    organisation = None if settings is None else organisation_of(settings)
    how = all_here if one_process else partial(spread, weigh=weight_of)
    return _load(settings, paths, now, organisation, spread=how)


@contextmanager
def policies_ahead(
    settings: Settings, *, beside: Callable[[], None]
) -> Iterator[tuple[tuple[Policy, ...], Papers]]:
    """
    As `policies_of`, for a daemon: with what the ledger will want of them, made meanwhile.

    Args:
        beside: What this process can do while others read, if there is enough for them.
    """
    from runner.cli.ahead import PapersAhead

    organisation = organisation_of(settings)
    papers = PapersAhead(partial(_held, organisation), beside)
    try:
        # Which key stands where is for people, and for the organisation's rules.
        origins = organisation is not None
        found = _load(settings, (), None, organisation, spread=papers.spread, origins=origins)
        yield found, papers
    finally:
        papers.close()


def _load(
    settings: Settings | None,
    paths: Sequence[Path],
    now: datetime | None,
    organisation: Organisation | None,
    *,
    spread: Spread,
    origins: bool = True,
) -> tuple[Policy, ...]:
    from runner.policy.parse import load_policies
    from runner.scheduling.cron import check_cron

    wanted = list(paths)
    if not wanted and settings is not None:
        wanted = [near(settings.policies)]
    margins = {} if settings is None else margins_of(settings)
    review = _Review(now or datetime.now(UTC), margins, organisation)
    found = load_policies(
        wanted,
        environment=os.environ,
        settings=settings,
        check_cron=check_cron,
        cover=review.cover,
        lint=None if now is None else review.lint,
        origins=origins,
        spread=spread,
    )
    return tuple(_held(organisation, policy) for policy in found)


def _held(organisation: Organisation | None, policy: Policy) -> Policy:
    """The policy within the rules above it."""
    if organisation is None:
        return policy
    from runner.planning.organisation import held_to

    return held_to(policy, organisation)


def organisation_of(settings: Settings) -> Organisation | None:
    """
    The rules above all policies; None where runner.yaml names none.

    Raises:
        PolicyErrors: every fault of their file.
    """
    if settings.organisation is None:
        return None
    from runner.policy.organisation import load_organisation

    name = str(near(settings.organisation))
    return load_organisation(settings.organisation, name=name, environment=os.environ)


class _Review:
    """Looks at policies that read well, one after the other; each is judged once for both looks."""

    def __init__(
        self, now: datetime, margins: Mapping[str, Margins], organisation: Organisation | None
    ) -> None:
        self._now, self._margins, self._organisation = now, margins, organisation
        self._judged: tuple[Policy, Mapping[str, Needs]] | None = None

    def cover(self, policy: Policy) -> Iterator[Finding]:
        from runner.planning.coverage import coverage

        needs = self._needs(policy)
        yield from coverage(policy, now=self._now, margins=self._margins, needs=needs)
        if self._organisation is not None:
            from runner.planning.organisation import breaches

            yield from breaches(policy, self._organisation)

    def lint(self, policy: Policy) -> Iterator[Finding]:
        from runner.planning.lint import lint

        return lint(policy, now=self._now, needs=self._needs(policy))

    def _needs(self, policy: Policy) -> Mapping[str, Needs]:
        from runner.planning.needs import needs_of

        if self._judged is None or self._judged[0] is not policy:
            self._judged = policy, needs_of(policy, now=self._now)
        return self._judged[1]


def margins_of(settings: Settings) -> dict[str, Margins]:
    """How slow the world may be, by wallet profile; throw-away keys are for sandboxes alone."""
    from runner.planning.renewal import Margins
    from runner.settings.model import SANDBOX_TIMING

    found = {}
    for name, profile in settings.wallets.items():
        timing = SANDBOX_TIMING if settings.throw_away_signers else profile.timing
        found[name] = Margins(
            inclusion=timing.inclusion,
            skew=timing.skew,
            min_lead=timing.min_lead,
            finality=timing.finality_age,
        )
    return found


def policies_if_valid(settings: Settings) -> tuple[Policy, ...] | None:
    """The policies in force; None when they cannot be read: looking must work all the same."""
    try:
        return policies_of(settings)
    except PolicyErrors:
        return None


def near(path: Path) -> Path:
    """Relative to where the person stands, if it lies below: what messages then name."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def wallets_of(settings: Settings) -> dict[str, str]:
    """Each wallet profile in a few words; of a URL only its origin, since a path may hold a key."""
    return {name: profile.shown for name, profile in settings.wallets.items()}
