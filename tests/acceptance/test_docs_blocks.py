"""Every piece of YAML in the documentation is what it says: sound, or refused by the code named."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from support.placed import place
from support.resolved import READERS, resolved

from runner.errors import PolicyErrors
from runner.policy.language import LEVELS
from runner.policy.organisation import parse_organisation
from runner.policy.parse import load_policies
from runner.policy.schema import SCHEMAS
from runner.policy.source import read
from runner.scheduling.cron import check_cron
from runner.settings import load_settings

REVIEWS = Path("docs/pull-requests.md").resolve()
PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.resolve() != REVIEWS]
SETTINGS = frozenset({"wallets", "signers", "store", "http", "alerts", "log"})
HOOKS = Path(".pre-commit-hooks.yaml").resolve()
HOSTS = ("schedule", "session", "account", "policy", "token")
SCHEMA = Draft202012Validator(SCHEMAS["policy"]())


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, its language, and the file that it is said to be."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None

    def __str__(self):
        return f"{self.page.name}:{self.line}"

    @property
    def keys(self):
        return set(re.findall(r"^([a-z_]+):", self.text, re.MULTILINE))


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"([^\n]*)\n+```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        named = re.search(r"`([\w/.-]+\.(?:csv|json))`:$", found[1])
        named = named or re.match(r"# ([\w/.-]+\.yaml)\n", found[3])
        line = text.count("\n", 0, found.start(3)) + 1
        yield Block(page, line, found[2], found[3], named[1] if named else None)


BLOCKS = [block for page in map(Path.resolve, PAGES) for block in blocks_of(page)]
YAML = [block for block in BLOCKS if block.language == "yaml" and block.file is None]
POLICIES = [block for block in YAML if "version" in block.keys]
CONFIGS = [block for block in YAML if block.keys & SETTINGS]
PIECES = [block for block in YAML if block not in POLICIES and block not in CONFIGS]


RULES = [block for block in BLOCKS if block.file == "organisation.yaml"]


def load(folder):
    return load_policies([folder / "policy.yaml"], environment={}, check_cron=check_cron)


def put(text, page, folder):
    """Put a piece where its keys may stand, with the files that the page shows beside it."""
    keys = set(re.findall(r"^([a-z_]+):", text, re.MULTILINE))
    host = next(name for name in HOSTS if keys <= set(LEVELS[name].keys))
    place(host, text.rstrip("\n"), folder)
    for block in BLOCKS:
        if block.page == page and block.file is not None:
            (folder / block.file).parent.mkdir(exist_ok=True)
            (folder / block.file).write_text(block.text)


def is_taken(file):
    root = read(file.read_text(), "f").root
    return {SCHEMA.is_valid(resolved(root, resolve)) for resolve in READERS.values()}


def test_there_are_blocks_of_every_kind():
    """
    A page whose blocks were not found would pass all the rest.
    """
    assert len(POLICIES) >= 2
    assert len(CONFIGS) >= 1
    assert len(PIECES) >= 20
    assert {block.file for block in BLOCKS} >= {"salaries.csv", "vault.json", "shared/people.yaml"}


@pytest.mark.parametrize("block", POLICIES, ids=str)
def test_policies_are_sound(runner, house, block):
    """
    Without a warning, with the settings that are built in.
    """
    page = block.page.resolve().read_text()
    (house / "runner.yaml").unlink()
    (house / "shown.yaml").write_text(block.text)

    told = runner("validate", "--strict", "shown.yaml")

    assert told.code == 0, told.err
    assert told.out in page or "valid: " not in page
    assert is_taken(house / "shown.yaml") == {True}


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_settings_are_sound(tmp_path, block):
    """
    No secret is needed to read them.
    """
    file = tmp_path / "runner.yaml"
    file.write_text(block.text)

    assert load_settings(file, {}, tmp_path).file == file


@pytest.mark.parametrize("block", PIECES, ids=str)
def test_pieces_are_sound_where_they_belong(tmp_path, block):
    """
    Each is put into a small policy, and read.
    """
    put(block.text, block.page, tmp_path)

    assert [policy.name for policy in load(tmp_path)] == ["payroll"]
    assert is_taken(tmp_path / "policy.yaml") == {True}


# ── pull requests ─────────────────────────────────────────────────────────────────────────────


def hooks_of(text):
    return [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]


def test_hooks_of_the_page_are_there_and_run(runner):
    """
    By their ids; what they start is a command that takes their arguments.
    """
    defined = {hook["id"]: hook for hook in yaml.safe_load(HOOKS.read_text())}
    shown = [
        hook
        for block in blocks_of(REVIEWS)
        if "repos" in block.keys
        for hook in hooks_of(block.text)
    ]

    assert len(shown) == 2
    for hook in shown:
        program, *command = defined[hook["id"]]["entry"].split()
        arguments = ["policies" if each == "payments/" else each for each in hook.get("args", [])]
        assert program == "runner"
        assert runner(*command, *arguments).code == 0


@pytest.mark.parametrize(
    "file", ["policies/payroll.yaml", "policies/shared/people.yml", "policies/a.csv", "runner.yaml"]
)
def test_the_hook_starts_for_policies_and_settings(file):
    """
    Wherever they lie below `policies/`; not for other files.
    """
    (hook,) = yaml.safe_load(HOOKS.read_text())

    assert re.search(hook["files"], file)
    assert not re.search(hook["files"], f"docs/{file}")


def test_the_workflow_shows_what_the_page_says(runner, house):
    """
    Its last step is the command; the annotation is what that prints of a misspelt contact.
    """
    workflow = next(block for block in blocks_of(REVIEWS) if "jobs" in block.keys)
    steps = yaml.safe_load(workflow.text)["jobs"]["validate"]["steps"]
    command = steps[-1]["run"].split()[1:]
    shown = next(block for block in blocks_of(REVIEWS) if block.language == "console").text
    policy = next(block for block in POLICIES if block.page.name == "policy.md").text
    (house / "runner.yaml").unlink()
    (house / "policies" / "payroll.yaml").write_text(policy.replace("{to: alice", "{to: alcie"))

    told = runner(*command)

    assert told.code == 2
    assert told.out.splitlines()[0] == shown.splitlines()[1]


# ── traps ─────────────────────────────────────────────────────────────────────────────────────


def traps():
    page = Path("docs/policy.md").read_text(encoding="utf-8")
    table = page.partition("<!-- traps -->")[2].partition("<!-- /traps -->")[0]
    return re.findall(r"^\| `(.+?)` \| .+? \| (P\d{3}) \| `(.+?)` \|$", table, re.MULTILINE)


@pytest.mark.parametrize(("written", "code", "mended"), traps())
def test_traps_are_told_as_the_page_says(tmp_path, monkeypatch, written, code, mended):
    """
    By the code it names; what it says to write instead is sound.
    """
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    put(written, None, tmp_path / "bad")
    put(mended.replace("${WHO}", "${WHO:-alice}"), None, tmp_path / "good")

    with pytest.raises(PolicyErrors) as caught:
        load(tmp_path / "bad")

    assert [fault.code for fault in caught.value.faults] == [code]
    assert len(load(tmp_path / "good")) == 1


def test_the_page_has_all_six_scanner_traps():
    """
    And those that a key sees.
    """
    assert {code for _, code, _ in traps()} >= {f"P02{number}" for number in range(1, 9)}


def test_every_warning_is_in_its_table():
    """
    Those about runner.yaml aside.
    """
    from runner.policy.codes import Code

    page = Path("docs/policy.md").read_text(encoding="utf-8")
    table = page.partition("\n## Warnings\n")[2].partition("\n## ")[0]
    warnings = {code.value for code in Code if code.value >= "P900"} - {Code.VARIABLE_IGNORED.value}

    assert set(re.findall(r"^\| (P\d{3}) \|", table, re.MULTILINE)) == warnings | {"P034"}


@pytest.mark.parametrize("block", RULES, ids=str)
def test_an_organisation_file_is_sound(block):
    rules = parse_organisation(block.text, block.file, environment={})
    root = read(block.text, block.file).root
    validator = Draft202012Validator(SCHEMAS["organisation"]())

    assert rules.approvers == 2
    for resolve in READERS.values():
        assert list(validator.iter_errors(resolved(root, resolve))) == []


def test_an_organisation_file_is_shown():
    assert len(RULES) == 1
