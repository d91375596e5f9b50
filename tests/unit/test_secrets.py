"""Secrets by reference: read from where they lie, refused where others could read them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from runner.adapters import secrets
from runner.adapters.secrets import fetch_reference, read_reference
from runner.bootstrap.runtime import open_vault
from runner.errors import StoreError, UsageError
from runner.settings import CommandRef, EnvRef, FileRef, Settings

SECRET = "hunter2-of-the-treasury"


def said(reference, environment=None):
    with pytest.raises(UsageError) as caught:
        read_reference(reference, environment or {}, what="signers.boss")
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    return str(caught.value)


def program(folder: Path, text: str) -> CommandRef:
    script = folder / "secret.py"
    script.write_text(text)
    return CommandRef((sys.executable, str(script)))


def file(folder: Path, *, mode: int = 0o600, text: str = SECRET + "\n") -> FileRef:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return FileRef(path)


async def test_each_kind_of_reference_gives_its_text(tmp_path):
    printed = program(tmp_path, f"print({SECRET!r})")

    assert read_reference(EnvRef("S"), {"S": SECRET}, what="x") == SECRET
    assert read_reference(file(tmp_path), {}, what="x") == SECRET
    assert read_reference(printed, {}, what="x") == SECRET
    assert await fetch_reference(printed, {}, what="x") == SECRET


def test_a_program_sees_the_environment_and_no_shell(tmp_path):
    words = (sys.executable, "-c", "import os,sys; print(os.environ['A'] + sys.argv[1])", "; id $A")

    assert read_reference(CommandRef(words), {"A": "b"}, what="x") == "b; id $A"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602, 0o660, 0o666, 0o777])
def test_a_file_that_others_can_reach_is_refused(tmp_path, mode):
    message = said(file(tmp_path, mode=mode))

    assert f"open to others (mode {mode:04o})" in message


def test_what_a_service_manager_lays_down_is_taken(tmp_path):
    """
    systemd names its folder; Docker and Kubernetes lay files for all to read into a container.
    """
    reference = file(tmp_path, mode=0o444)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert read_reference(reference, environment, what="x") == SECRET
    assert "open to others" in said(reference, {"CREDENTIALS_DIRECTORY": str(tmp_path / "b")})
    assert "open to others" in said(reference, {"CREDENTIALS_DIRECTORY": ""})


def test_the_secret_key_may_lie_where_a_service_manager_lays_it(tmp_path):
    """
    Docker mounts secrets for all to read into a container that nobody else is in.
    """
    key = file(tmp_path, mode=0o444, text="ab" * 32 + "\n")
    settings = Settings(tmp_path, "sqlite:///x", key, {})

    laid = open_vault(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, create=False)
    with pytest.raises(StoreError, match="open to others"):
        open_vault(settings, {}, create=False)

    key.path.chmod(0o600)
    assert laid.key_id == open_vault(settings, {}, create=False).key_id


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"print({SECRET!r}); raise SystemExit(3)", "failed with exit code 3"),
        (f"import sys; sys.stderr.write({SECRET!r}); sys.exit(1)", "failed with exit code 1"),
        ("", "printed nothing"),
        ("print()", "printed nothing"),
        (f"print({SECRET!r} * 4000)", "printed too much"),
        ("import sys; sys.stdout.buffer.write(bytes([255, 254]))", "printed what is not text"),
        (f"print({SECRET!r}, flush=True); import time; time.sleep(60)", "gave no answer in 1 s"),
    ],
)
def test_a_program_that_fails_is_told_without_its_output(tmp_path, monkeypatch, text, why):
    monkeypatch.setattr(secrets, "_LONGEST_SECONDS", 1)

    assert why in said(program(tmp_path, text))


def test_a_program_that_is_not_there_is_told(tmp_path):
    assert "cannot be started" in said(CommandRef((str(tmp_path / "none"),)))


def test_a_missing_variable_or_file_is_told(tmp_path):
    assert "variable S" in said(EnvRef("S"), {"S": ""})
    assert "No such file" in said(FileRef(tmp_path / "none"))
    assert "too long" in said(file(tmp_path, text=SECRET * 4000))
    (tmp_path / "secret").write_bytes(b"\xff")
    assert "not text" in said(FileRef(tmp_path / "secret"))
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
