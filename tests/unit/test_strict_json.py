"""
JSON from strangers is read in one way, to a depth, and in no more time than its length asks for.
"""

import time

import pytest

from runner.strict_json import parse_json


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[" * 100 + b"1" + b"]" * 100, None),
        (b"[" * 101 + b"1" + b"]" * 101, "nested too deeply"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, None),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested too deeply"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b'"[",' * 500 + b'"]"]', None),
        (b"[" + b'"\\"[",' * 500 + b"1]", None),
        (b"[" + b"[]," * 500 + b"[]]", None),
        (b"[" * 50 + b"]" * 60, "Extra data"),
        (b"]" * 500 + b"[" * 101, "nested too deeply"),
    ],
)
def test_nesting_is_counted_outside_of_strings(body, fault):
    """
    A hundred levels are more than any answer has.
    """
    if fault is None:
        assert parse_json(body)
        return
    with pytest.raises(ValueError, match=fault):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 101 + b'"' + b'\\"' * 2_000_000,
        b"[" * 101 + b'"' + b"a" * 4_000_000,
        b'{"' * 101 + b"\\" * 4_000_001,
        b'"\\' * 1_300_000 + b"[" * 200,
        (b"[" * 50 + b"]" * 50) * 40_000,
        b"[]" * 2_000_000,
        b"{" * 2_000_000 + b"}" * 2_000_000,
        (b"[" * 100 + b"]" * 99) * 20_000,
    ],
)
def test_no_answer_takes_long_to_refuse(body):
    """
    Time in proportion to the length: a square of it would stop the whole daemon.
    """
    started = time.process_time()

    with pytest.raises(ValueError, match=r"nested|Expecting|Extra|Invalid|Unterminated"):
        parse_json(body)

    assert time.process_time() - started < 8
