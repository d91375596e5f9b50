"""What the pages tell to type after `$`, typed: in a folder where a daemon has paid before."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.house import free_port

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
ELSEWHERE = {
    "runner up": "tests/integration/test_process.py",
    "runner sandbox --port 8545 --state .runner/sandbox.json": "tests/integration/test_process.py",
}
"""What does not end by itself, and where it is run."""

OWN = frozenset({"policy.md", "simulate.md", "pull-requests.md"})
"""Pages that speak of a policy of one's own."""

DIFFERS = {"runner plan --check": 3}


def typed():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            for line in re.findall(r"^\$ (runner .+)$", block, re.MULTILINE):
                command = re.sub(r"\s+(#|&).*$", "", line).strip()
                if command not in ELSEWHERE:
                    yield page.name, command


def run(folder, command):
    return subprocess.run(
        [sys.executable, "-m", *shlex.split(command.partition(" > ")[0])],
        cwd=folder,
        env={**os.environ, "RUNNER_HTTP__BIND": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A fresh clone whose daemon has paid for a moment."""
    made = tmp_path_factory.mktemp("clone")
    for name in ("policies", "examples"):
        shutil.copytree(name, made / name)
    done = run(made, "runner up --for 12s")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def payroll(tmp_path_factory):
    """Somebody's own policy: the one that the README shows."""
    made = tmp_path_factory.mktemp("own")
    (made / "policies").mkdir()
    text = Path("README.md").read_text(encoding="utf-8")
    shown = re.search(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (made / "policies" / "payroll.yaml").write_text(shown[1])
    return made


def test_there_is_much_to_type():
    assert len(set(typed())) >= 15


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(*one, id=": ".join(one)) for one in sorted(set(typed()))]
)
def test_it_does_what_the_page_shows(request, page, command):
    """
    Exit code 0, `plan --check` aside, and nothing that went wrong.
    """
    folder = request.getfixturevalue("payroll" if page in OWN else "demo")

    done = run(folder, command)

    assert done.returncode in {0, DIFFERS.get(command, 0)}, (page, done.stderr)
    assert "error" not in done.stderr
