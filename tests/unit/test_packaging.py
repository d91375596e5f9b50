"""
What it runs in: the systemd unit, the image and the compose file.

No systemd and no Docker run here. The unit is judged by systemd's own tool; of the image and the
compose file what can be read is checked, and that they have been run is claimed nowhere.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.tools import missing

FOLDER = Path("packaging")
UNIT = (FOLDER / "runner.service").read_text(encoding="utf-8")
IMAGE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def unit(tmp_path):
    """The unit as it would be on a machine that has its program."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not here: Debian's package systemd has it")
    program = re.search(r"^ExecStart=(\S+)", UNIT, re.MULTILINE)[1]
    path = tmp_path / "runner.service"
    path.write_text(UNIT.replace(program, sys.executable))
    return path


def analyze(*arguments):
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    """
    No unknown key, no value that it would ignore; other units of the machine are not ours.
    """
    found = analyze("verify", "--man=no", unit)
    broken = unit.with_name("broken.service")
    broken.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHomes=yes"))
    seen = analyze("verify", "--man=no", broken)

    assert [line for line in found.stderr.splitlines() if "runner.service" in line] == []
    assert "ProtectHomes" in seen.stderr


def test_what_the_unit_may_touch_is_little(unit):
    """
    systemd's own measure, from 0 to 10; a unit without hardening is at 9 and more.
    """
    found = analyze("security", "--offline=true", "--threshold=15", unit)

    assert found.returncode == 0, found.stdout[-300:]


def test_the_unit_lets_signed_payments_end_and_starts_again_always():
    keys = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))

    assert int(keys["TimeoutStopSec"]) > 60  # how long `up` waits for them
    assert keys["Restart"] == "always"
    assert keys["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert re.findall(r"^LoadCredential=", UNIT, re.MULTILINE)
    assert not re.findall(r"^Environment=.*(KEY|TOKEN|SECRET)", UNIT, re.MULTILINE)


def instructions():
    """Each instruction of the image with its arguments, by stage."""
    joined = re.sub(r"\\\n\s*", "", IMAGE)
    stages = []
    for line in joined.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def test_the_image_runs_as_nobody_in_particular():
    """
    A numbered user, so that Kubernetes can see that it is not root; nothing runs after it as root.
    """
    last = instructions()[-1]
    names = [name for name, _ in last]
    user = dict(last)["USER"]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert "RUN" not in names[names.index("USER") :]
    assert dict(last)["ENTRYPOINT"] == '["runner"]'
    assert user == COMPOSE["services"]["runner"]["user"]


def test_the_image_holds_the_program_and_nothing_of_anybody():
    """
    Copied are the sources by name, installed are the pinned versions; the base is no moving tag.
    """
    stages = instructions()
    copied = {one for name, rest in stages[0] if name == "COPY" for one in rest.split()[:-1]}
    bases = {rest.split()[0] for stage in stages for name, rest in stage if name == "FROM"}
    run = " ".join(rest for name, rest in stages[0] if name == "RUN")

    assert copied == {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "runner"}
    assert all(Path(one).exists() for one in copied)
    assert bases == {"python:3.11-slim"}
    assert "-c constraints.txt" in run
    assert not [name for stage in stages for name, _ in stage if name == "ADD"]


def test_the_compose_file_writes_to_the_ledgers_volume_alone():
    """
    Everything else is read-only; no right is kept, no secret is a variable.
    """
    (service,) = COMPOSE["services"].values()
    writable = [one for one in service["volumes"] if not one.endswith(":ro")]

    assert service["read_only"] is True
    assert writable == ["ledger:/var/lib/runner"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"] == {"replicas": 1}
    assert "environment" not in service
    assert set(service["secrets"]) == set(COMPOSE["secrets"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert int(service["stop_grace_period"].rstrip("s")) > 60
