"""`runner explain`: what a fault means, and what to write instead."""

from __future__ import annotations

import click


@click.command()
@click.argument("code")
def explain(code: str) -> None:
    """Explain a fault by its CODE, as P031."""
    from difflib import get_close_matches

    from runner.cli.render import write
    from runner.policy.catalogue import CATALOGUE
    from runner.policy.codes import Code

    known = {one.value: one for one in Code}
    wanted = known.get(code.strip().upper())
    if wanted is None:
        close = get_close_matches(code.upper(), known, n=1)
        also = f" Did you mean {close[0]}?" if close else ""
        raise click.UsageError(f"there is no code {code!r}.{also}")
    entry = CATALOGUE[wanted]
    example = [f"    {line}" if line else "" for line in entry.example.strip("\n").split("\n")]
    write([f"{wanted.value}: {entry.title}", "", entry.about, "", *example])
