"""
The targets of `make fuzz`, each on its recorded inputs and on what changed bytes make of them.
"""

import importlib.util
import random
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "fuzz" / "targets.py"
SPEC = importlib.util.spec_from_file_location("fuzz_targets", FILE)
targets = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(targets)


def spoiled(seed, chance):
    data = bytearray(seed)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if place < len(data):
                data[place] ^= chance.randint(1, 255)
            case 1:
                data[place:place] = bytes(chance.choices(range(256), k=chance.randint(1, 40)))
            case 2:
                del data[place : place + chance.randint(1, 40)]
            case _:
                data[place : place + 32] = bytes(31) + b"\x20"
    return bytes(data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_target_holds_on_what_was_recorded_and_on_what_was_spoiled(name):
    chance = random.Random(name)
    feed = targets.TARGETS[name]
    known = list(targets.seeds(name))
    assert known

    for seed in known:
        feed(seed)
    for _ in range(150):
        feed(spoiled(chance.choice(known), chance))


def test_a_target_notices_an_encoder_that_forgets(monkeypatch):
    """
    The targets can fail.
    """
    seed = next(targets.seeds("calldata"))
    monkeypatch.setattr(targets, "encode_call_data", lambda *_, **__: b"")
    monkeypatch.setattr(targets, "decode_factory_data", lambda data: ("0x" + 40 * "1", 1))

    with pytest.raises(AssertionError, match="wrote"):
        targets.calldata(seed)


def test_make_fuzz_runs_every_target():
    driver = (FILE.parent / "__main__.py").read_text()

    assert all(f'"{name}"' in driver for name in targets.TARGETS)
