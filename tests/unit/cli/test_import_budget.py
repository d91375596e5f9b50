"""What short commands may import: each package more is paid for at every start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# A module counts where it lies: what compiled packages register for themselves lies nowhere.
PROBE = """
import sys
before = set(sys.modules)
import contextlib, io, json, sysconfig
from runner.cli.main import run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    code = run(json.loads(sys.argv[1]))
new = {name: each for name, each in sys.modules.items() if name not in before}
files = {name: getattr(each, "__file__", None) or "" for name, each in new.items()}
packages = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
outside = {name.partition(".")[0] for name, file in files.items() if file.startswith(packages)}
print(json.dumps([code, sorted(outside), sorted(files)]))
"""
POLICY = Path(__file__).parents[1] / "policy" / "example.yaml"
READING = {"click", "yaml", "cronsim", "tzdata", "_pysha3"}
HEAVY = {"asyncio", "hashlib", "http", "multiprocessing", "socket", "sqlite3", "ssl"}


def imported(*arguments: str, cwd: Path) -> tuple[int, set[str], set[str]]:
    """Exit code, packages from outside, all modules."""
    command = [sys.executable, "-c", PROBE, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd)
    code, outside, modules = json.loads(done.stdout)
    return code, set(outside), set(modules)


@pytest.fixture
def folder(tmp_path):
    """A folder with settings of every section and a sound policy."""
    (tmp_path / "runner.yaml").write_text(
        "policies: sound.yaml\n"
        "wallets: {sandbox: {embedded: true, timing: {skew: 2s}}}\n"
        "signers: {treasury-owner: {env: KEY, sandbox_only: true}}\n"
        "http: {bind: 127.0.0.1:9000}\n"
        "log: {level: debug}\n"
    )
    (tmp_path / "sound.yaml").write_text(POLICY.read_text(encoding="utf-8"))
    (tmp_path / "faulty.yaml").write_text("version: 1\nname: [x]\nschedule: {a: {cron: x}}\n")
    return tmp_path


def test_version_imports_click_alone(folder):
    """
    Nothing else from outside.
    """
    code, outside, modules = imported("--version", cwd=folder)

    assert (code, outside) == (0, {"click"})
    assert not modules & HEAVY


def test_validate_imports_what_reads_policies(folder):
    """
    YAML, cron, zones and Keccak; no ABI library, no HTTP, no database, no pydantic.
    """
    code, outside, modules = imported("validate", cwd=folder)

    assert code == 0
    assert outside == READING
    assert not modules & HEAVY


def test_faults_are_shown_without_more(folder):
    """
    A faulty policy costs no other package.
    """
    code, outside, modules = imported("validate", "faulty.yaml", cwd=folder)

    assert code == 2
    assert outside <= READING
    assert not modules & HEAVY


LATER = {
    "alembic": "for ledgers of an older revision",
    "mako": "for ledgers of an older revision",
    "sqlalchemy.dialects.postgresql": "for a ledger that is none of SQLite's",
    "runner.adapters.sql.reading": "for pages, and for the digest of the day",
    "runner.dashboard.pages": "for pages",
}
"""What somebody may need some day, and nobody for the first tick."""


def test_the_daemon_starts_without_what_can_wait():
    """
    Who restarts after a crash does not pay for it.
    """
    probe = (
        "import json, sys, runner.bootstrap.runtime, runner.cli.up, runner.adapters.sql.keeping\n"
        "import runner.cli.reloading, runner.dashboard.server\n"
        "print(json.dumps(sorted(sys.modules)))"
    )

    told = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout

    assert LATER.keys() & set(json.loads(told)) == set()
