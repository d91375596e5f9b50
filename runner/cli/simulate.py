"""`runner simulate`: what the policies will do, by doing it in virtual time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import look, note, write, write_json

if TYPE_CHECKING:
    from runner.simulation.simulate import Progress
    from runner.simulation.window import Balance

_FORESEES_A_FAILURE = 5
_LONGEST_DAYS = 36_600


class _Balance(click.ParamType["Balance"]):
    """`[ACCOUNT:]TOKEN=AMOUNT`."""

    name = "[ACCOUNT:]TOKEN=AMOUNT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Balance:
        """Take it apart; the amount is read once its token is known."""
        from runner.simulation.window import Balance

        if isinstance(value, Balance):
            return value
        left, equals, amount = str(value).partition("=")
        account, colon, token = left.rpartition(":")
        if not equals or not token.strip() or (colon and not account.strip()):
            self.fail(f"{value!r} is no balance: write usdc=10000", param, ctx)
        return Balance(account.strip() or None, token.strip(), amount.strip())


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@config_option
@click.option("--from", "start", type=Instant(), help="Begin at this moment.  [default: now]")
@click.option(
    "--days",
    type=click.IntRange(1, _LONGEST_DAYS),
    default=30,
    show_default=True,
    help="How many days of 24 hours.",
)
@click.option("--execute", is_flag=True, help="Sign and carry out more than 20,000, too.")
@click.option(
    "--balance",
    "balances",
    type=_Balance(),
    multiple=True,
    help="What accounts hold at first.  [default: 100 coins, 1,000,000 of each token]",
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="A page with plots.")
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="A line a payment.")
@format_options()
def simulate(
    paths: tuple[Path, ...],
    config: str | None,
    start: datetime | None,
    days: int,
    execute: bool,
    balances: tuple[Balance, ...],
    html: Path | None,
    csv: Path | None,
    form: str,
) -> int:
    """
    Let the daemon live through the coming days, in seconds, with play money.

    PATH is a policy or a folder of them; without one, the policies of runner.yaml are simulated.
    The engine itself runs: grants are signed and renewed, payments prepared, checked, signed and
    included by sandboxes in this process. No secret is read, and nothing is kept. Beyond 20,000
    occurrences it is a forecast by arithmetic, and says so.

    Exit code: 0, or 5 when something will fail.
    """
    from runner.cli.loading import policies_of, settings_of
    from runner.reporting.foresight import people, scripts
    from runner.simulation.simulate import simulate as run
    from runner.simulation.window import Window

    settings = replace(settings_of(config), throw_away_signers=True)
    policies = policies_of(settings, paths)
    begin = _whole(start or now())
    window = Window(begin, begin + timedelta(days=days))
    with _progress() as progress:
        found = run(
            settings, policies, window, balances=balances, execute=execute, progress=progress
        )
    if form == "json":
        write_json(scripts.as_json(found))
    else:
        write(people.as_text(found, look()))
    if csv is not None:
        csv.write_text(scripts.as_csv(found), encoding="utf-8")
        note(f"Wrote {csv}.")
    if html is not None:
        from runner.reporting.foresight.page import as_page

        html.write_text(as_page(found), encoding="utf-8")
        note(f"Wrote {html}.")
    return _FORESEES_A_FAILURE if found.fails else 0


def _whole(moment: datetime) -> datetime:
    """Slots are whole seconds: the first one at or after a moment."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal; silence in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    bar: Any = click.progressbar(
        length=1, label="simulating", file=sys.stderr, show_pos=True, update_min_steps=20
    )
    with bar:

        def tell(done: int, total: int) -> None:
            bar.length = max(total, done, 1)
            bar.update(done - bar.pos)

        yield tell
