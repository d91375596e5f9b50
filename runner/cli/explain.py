"""`runner explain`: what a code means, why there is such a rule, what to write instead."""

from __future__ import annotations

import click

from runner.cli.options import format_options
from runner.cli.render import look, write, write_json
from runner.errors import UsageError
from runner.reporting.text import Tone


@click.command()
@click.argument("code", required=False)
@format_options()
def explain(code: str | None, form: str) -> None:
    """
    Explain a fault by its CODE, as P031; without one, list all codes.
    """
    from runner.policy.catalogue import CATALOGUE

    entries = {known.value: entry for known, entry in CATALOGUE.items()}
    eye = look()
    if code is None:
        if form == "json":
            write_json([{"code": key, "title": entries[key].title} for key in sorted(entries)])
        else:
            write(f"{eye.tint(key, Tone.STRONG)}  {entries[key].title}" for key in sorted(entries))
        return
    key = code.strip().strip("[]").upper()
    entry = entries.get(key)
    if entry is None:
        raise UsageError(f"there is no code {key[:20]}", hint="list them: runner explain")
    if form == "json":
        write_json(
            {"code": key, "title": entry.title, "about": entry.about, "example": entry.example}
        )
        return
    write([f"{eye.tint(key, Tone.STRONG)}: {entry.title}", ""])
    write(click.wrap_text(entry.about, width=min(eye.width or 80, 80)).splitlines())
    write(["", *(f"    {line}" for line in entry.example.splitlines())])
