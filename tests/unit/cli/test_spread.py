"""Many files are read by several processes, and nobody can tell by what comes out."""

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from runner.cli import spread as spreading
from runner.cli.loading import policies_of
from runner.cli.spread import spread, weight_of
from runner.errors import GuardError, Mark, PolicyError, PolicyErrors, WalletRefused
from runner.policy.parse import load_policies
from runner.policy.report import fault_as_json
from runner.scheduling.cron import check_cron

# The tests' own runner has threads; the command has none when it starts children.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

POLICY = """\
version: 1
name: policy-{number}
chain: base-sepolia
wallet: sandbox
include: [book.yaml]
accounts: {{treasury: {{owner: treasury-owner}}}}
sessions: {{s: {{account: treasury, lifetime: 30d}}}}
schedules:
  a: {{session: s, cron: "{number} 9 * * *", timezone: UTC, pay: {{alice: {number} usdc}}}}
"""
BOOK = """\
tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}
contacts: {alice: 0x00000000000000000000000000000000000a11ce}
"""


@pytest.fixture
def in_parts(monkeypatch):
    """Two processors, and parts of ten."""
    monkeypatch.setattr(spreading, "_LEAST", 10)
    monkeypatch.setattr(spreading, "_processors", lambda: 3)


def write(folder: Path, count: int = 40) -> Path:
    """Policies that share a book."""
    (folder / "book.yaml").write_text(BOOK)
    for number in range(1, count + 1):
        (folder / f"p{number:02}.yaml").write_text(POLICY.format(number=number))
    return folder


def both_ways(folder: Path) -> tuple[object, object]:
    """What is loaded in one process, and in several."""

    def loaded(**how):
        try:
            return load_policies([folder], environment={}, check_cron=check_cron, **how)
        except PolicyErrors as error:
            return [(fault_as_json(fault), fault.source) for fault in error.faults]

    return loaded(), loaded(spread=spread)


def whose(items):
    """The process that did a part, and the part."""
    return os.getpid(), list(items)


def test_parts_are_done_by_processes_of_their_own(in_parts):
    """
    In order, the first of them here.
    """
    results = spread(whose, range(35))

    assert [item for _, part in results for item in part] == list(range(35))
    assert results[0][0] == os.getpid()
    assert len({process for process, _ in results}) == 3


def test_a_few_are_done_here(in_parts):
    """
    No process is started for what one does at once.
    """
    assert spread(whose, range(19)) == [(os.getpid(), list(range(19)))]
    assert spread(whose, []) == [(os.getpid(), [])]


@pytest.mark.parametrize("weight", [0, 12, 1000])
def test_what_is_to_be_done_anyway_is_done_beside(in_parts, monkeypatch, weight):
    """
    Once, in this process, whose own part is the smaller for it, down to nothing; the order stays.
    """
    monkeypatch.setattr(spreading, "_BESIDE", weight)
    done = []

    results = spread(whose, range(30), beside=lambda: done.append(os.getpid()))

    assert done == [os.getpid()]
    assert [item for _, part in results for item in part] == list(range(30))
    assert len(results[0][1]) == {0: 10, 12: 2, 1000: 0}[weight]
    assert {process for process, part in results if part} - {os.getpid()} != set()


def test_a_few_leave_it_to_its_own_time(in_parts):
    """
    Where no process is started, nothing is done before it is needed.
    """
    assert spread(whose, range(19), beside=lambda: 1 / 0) == [(os.getpid(), list(range(19)))]


def fails_elsewhere(home, how, items):
    """Works in the process `home` alone."""
    if os.getpid() != home:
        how()
    return list(items)


@pytest.mark.parametrize(
    "how", [lambda: os._exit(3), lambda: os.kill(os.getpid(), 9), lambda: 1 / 0]
)
def test_what_a_child_does_not_bring_is_done_here(in_parts, how, capfd):
    """
    Killed, ended or broken: the whole list comes out, without a word.
    """
    results = spread(partial(fails_elsewhere, os.getpid(), how), range(30))

    assert [item for part in results for item in part] == list(range(30))
    assert capfd.readouterr() == ("", "")


def test_a_result_that_cannot_travel_is_made_here(in_parts):
    """
    Not everything can be pickled.
    """
    results = spread(lambda items: lambda: list(items), range(30))

    assert [item for part in results for item in part()] == list(range(30))


def test_sound_policies_come_out_alike(in_parts, tmp_path):
    """
    Equal, in the order of the files; the shared book is not one of them.
    """
    here, spread_out = both_ways(write(tmp_path))

    assert spread_out == here
    assert [policy.name for policy in spread_out] == [f"policy-{n}" for n in range(1, 41)]


def test_faults_come_out_alike(in_parts, tmp_path):
    """
    Those of files, of the book that all include, and names taken across parts.
    """
    write(tmp_path)
    (tmp_path / "book.yaml").write_text(BOOK + "contact: {}\ndefaults: {timezone: Berlin}\n")
    (tmp_path / "p03.yaml").write_text("version: 1\nname: [x]\n")
    (tmp_path / "p39.yaml").write_text(POLICY.format(number=2) + "oops: 1\n")
    (tmp_path / "p40.yaml").write_text("")

    here, spread_out = both_ways(tmp_path)

    assert spread_out == here
    codes = {fault["code"] for fault, _ in spread_out}
    assert {"P006", "P030", "P032", "P048", "P074"} <= codes


def test_the_command_counts_all_files(tmp_path):
    """
    `runner validate` over as many as it takes.
    """
    write(tmp_path, 59)
    for number in range(60, 260):
        text = POLICY.format(number=number % 60).replace(f"policy-{number % 60}", f"more-{number}")
        (tmp_path / f"p{number}.yaml").write_text(text.replace("alice: 0 ", "alice: 1 "))

    done = subprocess.run(
        [sys.executable, "-m", "runner", "validate", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert (done.returncode, done.stdout) == (
        0,
        "valid: 259 policies, 259 sessions, 259 schedules\n",
    ), done.stderr


@pytest.mark.parametrize(
    "error",
    [
        PolicyError("w", code="P001", where=Mark("f", 1, 2), hint="h", source="s", severity="x"),
        PolicyErrors([PolicyError("w", code="P001")]),
        GuardError("w", findings=["calls[0]"], hint="h"),
        WalletRefused("w", code=-32000, data={"a": 1}),
    ],
)
def test_errors_travel_whole(error):
    """
    Between processes with everything they say.
    """
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert copy.args == error.args
    assert {key: repr(value) for key, value in vars(copy).items()} == {
        key: repr(value) for key, value in vars(error).items()
    }


def test_a_process_with_threads_starts_no_other(tmp_path, in_parts, monkeypatch):
    """
    The daemon reads edited policies beside its own work: a fork would copy locks that are held.
    """
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was started"))

    found = policies_of(None, [write(tmp_path)], one_process=True)

    assert len(found) == 40


def test_parts_are_of_about_the_same_weight(in_parts):
    """
    One large file is as much work as many small ones.
    """
    items = [30, 1, 1, 1, 20, 7, 30]

    results = spread(list, items, weigh=lambda item: item)

    assert results == [[30], [1, 1, 1, 20, 7], [30]]


def test_no_part_is_empty_however_the_weights_lie(in_parts):
    for items in ([90, 1, 1], [1, 1, 90], [45, 45], [0, 0, 40]):
        results = spread(list, items, weigh=lambda item: item)

        assert [one for part in results for one in part] == items
        assert all(results)


def test_a_file_weighs_by_its_size(tmp_path):
    small, large = tmp_path / "small.yaml", tmp_path / "large.yaml"
    small.write_text("version: 1\n")
    large.write_text("#" * 100_000)

    assert weight_of(small) == 1
    assert 20 <= weight_of(large) <= 30
    assert weight_of(tmp_path / "missing.yaml") == 1
