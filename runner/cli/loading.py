"""Settings and policies, as every command finds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.policy.model import Policy
    from runner.settings import Settings


def settings_of(config: str | None) -> Settings:
    """
    The settings in force.

    Raises:
        PolicyErrors: runner.yaml is faulty.
    """
    from runner.settings import load_settings

    return load_settings(Path(config) if config else None, os.environ, Path.cwd())


def policies_of(settings: Settings, paths: Sequence[Path] = ()) -> tuple[Policy, ...]:
    """
    The policies that the settings name, or those at `paths`.

    Raises:
        PolicyErrors: every fault of every file.
    """
    from runner.policy.parse import load_policies
    from runner.scheduling.cron import check_cron

    wanted = list(paths) or [_shown(settings.policies)]
    return load_policies(wanted, environment=os.environ, settings=settings, check_cron=check_cron)


def _shown(path: Path) -> Path:
    """Relative to where the person stands, if it lies below: what messages then name."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
