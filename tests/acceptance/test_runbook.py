"""Whoever is told of something finds what to do, and the commands of the pages can be typed."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

from runner.alerting.causes import TABLE, Opens
from runner.cli.main import COMMANDS

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def kinds():
    """Every kind of incident, those of a field's value too."""
    for lines in TABLE.values():
        for line in lines:
            if isinstance(line, Opens) and line.kind.startswith("{"):
                yield from line.when[line.kind.strip("{}")]
            elif isinstance(line, Opens):
                yield line.kind


def test_every_alert_has_its_section():
    """
    docs/alerts.md has a heading for each kind that can be opened, and for no other; each says more
    than its name.
    """
    page = Path("docs/alerts.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\w+)`\n(.+?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL))

    assert set(sections) == set(kinds())
    assert min(len(text) for text in sections.values()) > 60


def commands_of(page):
    """What a page tells to type: in code blocks after `$`, and inline."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:console|sh|bash)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for block in blocks:
        yield from re.findall(r"^\$ (runner [^#&>\n]+)", block, re.MULTILINE)
    yield from (" ".join(one.split()) for one in re.findall(r"`(runner [a-z][^`]*)`", text))


TYPED = sorted({(page.name, one.strip()) for page in PAGES for one in commands_of(page)})


def command_named(words):
    """The command that the words begin with, and the rest of them."""
    module, _, name = COMMANDS[words[0]][0].partition(":")
    found, rest = getattr(import_module(module), name), words[1:]
    while isinstance(found, click.Group) and rest:
        assert rest[0] in found.commands, f"there is no `{' '.join(words)}`"
        found, rest = found.commands[rest[0]], rest[1:]
    return found, rest


def test_pages_tell_what_to_type():
    assert len(TYPED) > 60
    assert len({command.split()[1] for _, command in TYPED}) > 15


@pytest.mark.parametrize(
    ("page", "typed"), [pytest.param(*one, id=": ".join(one)) for one in TYPED]
)
def test_what_a_page_tells_to_type_is_taken(page, typed):
    """
    The command is there, and it has every option that the page gives it.
    """
    words = shlex.split(re.sub(r"[\[\]]|\\\|\w+", "", typed))[1:]

    found, rest = command_named(words)

    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)}
    options = [one.partition("=")[0] for one in rest if one.startswith("--")]
    assert set(options) <= known | {"--help"}, page
    takes = [one for one in found.params if isinstance(one, click.Argument)]
    assert takes or all(one.startswith("-") for one in rest[:1]), page
