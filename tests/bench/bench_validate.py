"""
What `runner validate` costs: the real command in a process of its own, by the kernel's account.

    python tests/bench/bench_validate.py      prints a table, writes .bench/validate.json

One file is compared with `python -c "import yaml, pydantic"` in alternating rounds, thousands of
files are counted by CPU, time and peak memory. Exits 1 when a bound is broken.
"""

from __future__ import annotations

import compileall
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = REPOSITORY / ".bench" / "validate.json"
RUNNER = (str(Path(sys.executable).with_name("runner")),)
BASELINE = (sys.executable, "-c", "import yaml, pydantic")

ROUNDS = 15
PROCESSORS = len(os.sched_getaffinity(0))
COUNTS = (100, 1_000, 5_000)
SCHEDULES = 5

BOUNDS = {
    "validate_cpu_ratio_to_import_yaml_pydantic": 2.0,
    "validate_1000_files_seconds": 3.0,
    "validate_1000_files_max_rss_mb": 200.0,
    "validate_cost_per_file_5000_to_100": 1.25,
}
"""What each number may be at most; the last one is "flat", with room for noise."""

_ZONES = (
    *("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"),
    *("America/Sao_Paulo", "Africa/Casablanca", "Pacific/Auckland", "Europe/London", "Asia/Tokyo"),
)


class Cost(NamedTuple):
    """What a command took: CPU of all its processes, memory of the largest of them."""

    cpu: float
    wall: float
    rss_mb: float


def measure(command: Sequence[str], folder: Path) -> Cost:
    """
    Run a command to its end, which must be a success.

    Raises:
        SystemExit: it failed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            tail = said.read()[-2_000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} exits {process.returncode}: {tail}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


# ── the files ─────────────────────────────────────────────────────────────────────────────────


def write_policies(folder: Path, count: int) -> None:
    """Write policies of five schedules each, no two alike; the same ones each time."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"policy-{number:05}.yaml").write_text(_policy(number), encoding="utf-8")


def _policy(number: int) -> str:
    chance = random.Random(number)
    contacts = [f"payee-{chance.randrange(10**6):06}" for _ in range(6)]
    lines = [
        "version: 1",
        f"name: policy-{number:05}",
        f"description: Salaries, bills and savings of team {number}",
        "chain: base-sepolia",
        "wallet: sandbox",
        f"defaults: {{timezone: {chance.choice(_ZONES)}}}",
        "tokens:",
        "  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}",
        "  dai: {decimals: 18, address: 0x00000000000000000000000000000000000000da}",
        "contacts:",
        *(f"  {name}: 0x{chance.getrandbits(160) | 1:040x}" for name in contacts),
        f"  vault: 0x{chance.getrandbits(160) | 1:040x}",
        f"groups: {{staff: [{', '.join(contacts[:3])}]}}",
        "accounts:",
        f"  treasury: {{owner: treasury-owner, gas: sponsor, salt: {number}}}",
        "sessions:",
        "  everyday:",
        "    account: treasury",
        f"    lifetime: {chance.randrange(20, 61)}d",
        "    renew_before: 33%",
        f"    receivers: [staff, {', '.join(contacts[3:])}, vault]",
        "    limits: {per_month: [900000 usdc, 900000 dai]}",
        "schedules:",
    ]
    for place in range(SCHEDULES):
        lines += [f"  schedule-{place}:", "    session: everyday"]
        lines += [f"    {line}" for line in (*_trigger(chance), *_calls(chance, contacts))]
    return "\n".join(lines) + "\n"


def _trigger(chance: random.Random) -> list[str]:
    minute, hour = chance.randrange(60), chance.randrange(4, 22)
    match chance.randrange(6):
        case 0:
            return [f'cron: "{minute} {hour} {chance.randrange(1, 28)} * *"']
        case 1:
            return [f'cron: "{minute} {hour} * * {chance.randrange(7)}"']
        case 2:
            zone = chance.choice(_ZONES)
            return [f'cron: "{minute} {hour} 1,15 */3 *"', f"timezone: {zone}"]
        case 3:
            return [f"every: {chance.randrange(1, 5)}w", "start_at: 2026-12-01T00:00Z"]
        case 4:
            return [f'dates: {{last_business_day: "{hour:02}:{minute:02}"}}']
        case _:
            weekday = chance.choice(("monday", "friday", "wednesday"))
            rule = f'{{weekday: {weekday}, nth: {chance.randrange(1, 5)}, time: "{hour:02}:30"}}'
            return [f"dates: {{nth_weekday: {rule}}}"]


def _calls(chance: random.Random, contacts: list[str]) -> list[str]:
    paid = chance.sample(contacts, chance.randrange(1, 4))
    lines = ["calls:"]
    for name in paid:
        amount = f"{chance.randrange(1, 4_000)}.{chance.randrange(100):02}"
        token = chance.choice(("usdc", "dai"))
        lines.append(f"  - pay: {{to: {name}, amount: {amount} {token}, memo: invoice {amount}}}")
    if chance.random() < 0.3:
        lines.append(f"  - approve: {{spender: vault, amount: {chance.randrange(1, 900)} usdc}}")
    if chance.random() < 0.3:
        function = '"deposit(uint256 amount, address to)"'
        arguments = f"{{amount: {chance.randrange(1, 900)} usdc, to: {contacts[0]}}}"
        lines.append(f"  - call: {{contract: vault, function: {function}, args: {arguments}}}")
    lines += chance.choice((["catch_up: latest"], ["overlap: buffer_one"], ["jitter: 5m"], []))
    return lines


# ── the numbers ───────────────────────────────────────────────────────────────────────────────


def one_file(folder: Path) -> dict[str, float]:
    """CPU of one file beside that of the imports, in alternating rounds."""
    write_policies(folder, 1)
    commands = {
        "import_yaml_pydantic": BASELINE,
        "version": (*RUNNER, "--version"),
        "validate": (*RUNNER, "validate", str(folder / "policy-00000.yaml")),
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            found[name].append(measure(command, folder).cpu)
    ratios = [
        mine / base
        for mine, base in zip(found["validate"], found["import_yaml_pydantic"], strict=True)
    ]
    cpu = {f"{name}_cpu_ms": 1000 * median(each) for name, each in found.items()}
    return {**cpu, "validate_cpu_ratio_to_import_yaml_pydantic": median(ratios)}


def many_files(folder: Path) -> dict[str, float]:
    """Cost of many files, and of each when there are more of them."""
    numbers: dict[str, float] = {}
    per_file = {}
    start = measure((*RUNNER, "--version"), folder.parent).cpu
    for count in COUNTS:
        write_policies(folder / str(count), count)
        cost = measure((*RUNNER, "validate", str(folder / str(count))), folder)
        processes = max(1, min(PROCESSORS, count // 100))  # as runner.cli.spread starts them
        per_file[count] = (cost.cpu - start) / count
        numbers |= {
            f"validate_{count}_files_seconds": cost.wall,
            f"validate_{count}_files_cpu_seconds": cost.cpu,
            f"validate_{count}_files_max_rss_mb": cost.rss_mb * processes,
            f"validate_{count}_files_cpu_ms_per_file": 1000 * per_file[count],
        }
    numbers["validate_cost_per_file_5000_to_100"] = per_file[COUNTS[-1]] / per_file[COUNTS[0]]
    return numbers


def main() -> int:
    """Measure everything; the exit code tells whether all bounds hold."""
    # An installed package has its bytecode; a checkout gets it here, whatever the environment says.
    compileall.compile_dir(REPOSITORY / "runner", quiet=1)
    with tempfile.TemporaryDirectory() as scratch:
        numbers = one_file(Path(scratch) / "one") | many_files(Path(scratch) / "many")
    broken = [name for name, most in BOUNDS.items() if numbers[name] > most]
    for name, value in numbers.items():
        bound = f"  at most {BOUNDS[name]:g}" if name in BOUNDS else ""
        print(f"{name:48} {value:10.3f}{bound}{'  BROKEN' if name in broken else ''}")
    RESULT.parent.mkdir(exist_ok=True)
    rounded = {name: round(value, 4) for name, value in numbers.items()}
    RESULT.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
