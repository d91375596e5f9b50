"""The documentation tells the truth about the language and about itself."""

import re
from pathlib import Path

import pytest

from runner.cli.main import COMMANDS
from runner.policy.language import LEVELS
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.manual import renewed
from runner.sandbox.faults import CHAIN, TRANSPORT
from runner.sandbox.sandbox import CONTROLS

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def test_every_key_is_documented_and_up_to_date():
    """
    docs/policy.md is what `make docs` would write, and names every key of every level, its type,
    its default, and an example.
    """
    page = Path("docs/policy.md").read_text(encoding="utf-8")

    assert page == renewed(page)
    for level in [*LEVELS.values(), *CONFIG_LEVELS.values()]:
        section = page.partition(f"### {level.name}\n")[2].partition("\n### ")[0]
        rows = dict(re.findall(r"^\| `([\w-]+)` (\|.+)$", section, re.MULTILINE))
        assert set(rows) == set(level.keys), level.name
        for key in level.keys.values():
            kind, _, default, example, about = re.split(
                r" \| ", rows[key.name].strip("| "), maxsplit=4
            )
            assert kind == key.type
            assert default == ("required" if key.required else key.default or "—")
            assert key.name in example
            assert about.startswith(key.about)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    """
    Every relative link names a file that is there, and a heading in it.
    """
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            names = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings}
            assert anchor in names, target


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_that_are_named_exist(page):
    """
    No page sends a reader to a command that there is not.
    """
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|\$ |: )runner ([a-z]+)", text))

    assert named <= set(COMMANDS)


def test_the_sandbox_page_names_every_method_and_fault():
    page = Path("docs/sandbox.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert named == set(CONTROLS) | TRANSPORT | CHAIN
