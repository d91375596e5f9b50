"""Settings and policies, as every command finds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.errors import PolicyErrors

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.policy.model import Policy
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
    settings: Settings | None, paths: Sequence[Path] = (), *, now: datetime | None = None
) -> tuple[Policy, ...]:
    """
    The policies that the settings name, or those at `paths`.

    Args:
        settings: The wallets and signers to check against; None leaves that out.
        now: Warn also of what is hardly meant, as seen from this moment.

    Raises:
        PolicyErrors: every fault of every file.
    """
    from runner.cli.spread import spread
    from runner.policy.parse import load_policies
    from runner.scheduling.cron import check_cron

    wanted = list(paths)
    if not wanted and settings is not None:
        wanted = [near(settings.policies)]
    finder = None
    if now is not None:
        from runner.planning.lint import lint

        finder = partial(lint, now=now)
    return load_policies(
        wanted,
        environment=os.environ,
        settings=settings,
        check_cron=check_cron,
        lint=finder,
        spread=spread,
    )


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
    found = {}
    for name, profile in settings.wallets.items():
        if profile.embedded:
            found[name] = "embedded sandbox"
            continue
        parts = urlsplit(profile.url or "")
        port = f":{parts.port}" if parts.port else ""
        sandbox = " (sandbox)" if profile.is_sandbox else ""
        found[name] = f"{parts.scheme}://{parts.hostname}{port}{sandbox}"
    return found
