"""`runner schema`: the JSON Schema of a file, for editors and other programs."""

from __future__ import annotations

import click

from runner.cli.render import write_json


@click.command()
@click.argument(
    "kind", type=click.Choice(["policy", "book", "organisation", "config"]), default="policy"
)
def schema(kind: str) -> None:
    """
    Print the JSON Schema (draft 2020-12) of a policy, a book, an organisation file, or runner.yaml
    (config).

    An editor with a language server for YAML completes, explains and checks keys by it: save it
    beside the policies and begin each of them with
    `# yaml-language-server: $schema=policy.schema.json`.
    """
    from runner.policy.schema import SCHEMAS

    write_json(SCHEMAS[kind]())
