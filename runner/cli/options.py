"""Options that many commands share, and instants as the command line writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_DURATION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def config_option(command: Command) -> Command:
    """`--config PATH`."""
    return click.option(
        "--config",
        metavar="PATH",
        help="The runner.yaml to use.  [default: $RUNNER_CONFIG, else ./runner.yaml]",
    )(command)


def format_options(*others: str, default: str = "text") -> Callable[[Command], Command]:
    """
    `--format …` and its short form `--json`; the command gets the choice as `form`.

    Args:
        others: Formats besides the default and `json`.
    """

    def short(context: click.Context, option: click.Parameter, wanted: bool) -> bool:
        del option
        if wanted:
            context.params["form"] = "json"
        return wanted

    def decorate(command: Command) -> Command:
        choice = click.Choice([default, *others, "json"])
        command = click.option(
            "--json",
            is_flag=True,
            callback=short,
            expose_value=False,
            help="The same as --format json.",
        )(command)
        return click.option(
            "--format", "form", type=choice, default=default, show_default=True, callback=_keep
        )(command)

    return decorate


def _keep(context: click.Context, option: click.Parameter, value: str) -> str:
    # `--json` may have been read first: it wins over the default, but not over a contradiction.
    del option
    earlier: str | None = context.params.get("form")
    return earlier or value


class Duration(click.ParamType[float]):
    """A whole number and a unit: 40s, 5m, 2h, 1d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is not a duration like 40s, 5m or 2h", param, ctx)
        return float(int(match[1]) * _SECONDS[match[2]])


class Instant(click.ParamType[datetime]):
    """An instant with its zone, or a date: midnight UTC. Values are aware UTC datetimes."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read RFC 3339, a date, or `now`."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if text == "now":
            return now()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is not a time: write 2026-12-01T09:00Z, or 2026-12-01 for midnight UTC",
                param,
                ctx,
            )
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if len(text) > len("2026-12-01"):
            self.fail(f"{text!r} names no zone: add Z for UTC, or +01:00", param, ctx)
        return moment.replace(tzinfo=UTC)


def now() -> datetime:
    """The moment at which a command was asked."""
    return datetime.now(UTC)


def midnight(moment: datetime) -> datetime:
    """The beginning of that day where the person sits, as aware UTC."""
    # Through the naive time, so that the offset is that of midnight, not of now.
    return datetime.combine(moment.astimezone().date(), time()).astimezone(UTC)
