"""Text for people: tables that fit, nothing that moves the cursor, times and lengths in words."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.guard.intent import TransferLine
from runner.reporting.text import (
    Cell,
    Look,
    Tone,
    amount,
    away,
    clean,
    columns,
    moves,
    plural,
    rfc3339,
    shorten,
    span,
    stamp,
    table,
)

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
ALICE = Address("0x00000000000000000000000000000000000A11cE")
ROWS = [
    ["payroll/monthly-salaries", "2500 usdc → alice and 12 more", "0xea4aa18f67"],
    ["a", "b", ""],
]


def test_a_table_lines_up():
    """
    Columns as wide as their widest cell, two blanks apart, none at the end of a line.
    """
    assert table(["NAME", "N"], [["a", "1"], ["long", "22"]], Look(), right=(1,)) == [
        "NAME   N",
        "a      1",
        "long  22",
    ]


@given(st.integers(40, 90))
def test_a_table_fits_its_terminal(width):
    """
    The flexible columns give way, the others stay whole.
    """
    lines = table(["SCHEDULE", "PAYS", "RUN"], ROWS, Look(width=width), flexible=(1, 0))

    assert max(map(columns, lines)) <= width
    assert "0xea4aa18f67" in lines[1]


def test_a_pipe_gets_everything():
    """
    Without a width nothing is cut.
    """
    assert "2500 usdc → alice and 12 more" in table(["A", "B", "C"], ROWS, Look())[1]


def test_colours_add_nothing_but_colour():
    """
    Without its escapes a coloured table is the plain one.
    """
    rows = [[Cell("held", Tone.WARN), "x"]]
    coloured = table(["STATE", "Y"], rows, Look(colour=True))
    plain = "\n".join(coloured)
    for tone in Tone:
        plain = plain.replace(tone.value, "") if tone.value else plain

    assert plain.replace("\x1b[0m", "").splitlines() == table(["STATE", "Y"], rows, Look())


@given(st.text())
def test_what_is_cleaned_prints_on_one_line(text):
    """
    No control character passes, wherever the text came from.
    """
    assert clean(text).isprintable()


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])), st.integers(1, 40))
def test_shortened_text_fits(text, width):
    """
    Wide characters count twice; text that fits is not touched.
    """
    assert columns(shorten(text, width)) <= width
    if columns(text) <= width:
        assert shorten(text, width) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (12000, "3 h 20 min"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (45 * 86400 + 3600, "45 d"),
    ],
)
def test_lengths_of_time(seconds, words):
    """
    At most two units.
    """
    assert span(timedelta(seconds=seconds)) == words


def test_distances():
    """
    Before, after, now.
    """
    assert away(NOW + timedelta(hours=2), NOW) == "in 2 h"
    assert away(NOW - timedelta(minutes=5), NOW) == "5 min ago"
    assert away(NOW, NOW) == "now"


def test_instants_are_utc():
    """
    For scripts with Z, for people with Z too.
    """
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))

    assert rfc3339(berlin) == "2026-12-01T08:00:00Z"
    assert rfc3339(NOW + timedelta(milliseconds=5)) == "2026-12-01T08:00:00.005000Z"
    assert stamp(berlin) == "2026-12-01 08:00Z"
    assert stamp(None) == "—"


def test_amounts_and_numbers():
    """
    Exact, in the token's units.
    """
    assert amount(2_500_001, 6, "usdc") == "2.500001 usdc"
    assert plural(2, "policy", "policies") == "2 policies"


def test_what_is_not_known_yet_is_shown_as_a_bound():
    """
    A computed call has its maximum before its run is prepared, and says that it is one.
    """
    lines = [
        TransferLine("native", "native", 18, ALICE, "relayer", 5 * 10**17, kind="at_most"),
        TransferLine("native", "native", 18, ALICE, "relayer", 10**18),
        TransferLine("native", "native", 18, ALICE, "relayer", 1, kind="approve"),
    ]

    assert moves(lines) == "up to 0.5 native → relayer, 1 native → relayer and 1 more"
