"""What a simulation found: sums that add up, and words, lines and pages that say the same."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.guard.intent import NATIVE, TransferLine
from runner.reporting.foresight import people, plots, scripts
from runner.reporting.foresight.model import (
    Allowance,
    Foresight,
    GrantLife,
    Outcome,
    Payer,
    Purse,
    Trouble,
)
from runner.reporting.foresight.page import as_page
from runner.reporting.text import Look

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
BOB = Address("0x0000000000000000000000000000000000000B0b")
NAMES = {ALICE: "alice", BOB: "bob"}


def line(amount=5, *, to=ALICE, token=USDC, kind="pay"):
    decimals = 18 if token == NATIVE else 6
    symbol = "native" if token == NATIVE else "usdc"
    return TransferLine(token, symbol, decimals, to, NAMES[to], amount, kind)


def outcome(day=0, state="success", *lines, reason=None, **values):
    due = START + day * DAY
    return Outcome(
        schedule=values.pop("schedule", "p/s"),
        session="p/key",
        account="p/treasury",
        slot=f"{due:%Y-%m-%dT%H:%M:%S}#0",
        due_at=due,
        local_day=values.pop("local_day", due.date()),
        state=state,
        reason=reason,
        ended_at=due,
        lines=lines or (line(),),
        generation=1,
        **values,
    )


GRANT = GrantLife(
    session="p/key",
    account="p/treasury",
    generation=1,
    state="active",
    requested_at=START,
    active_at=START,
    served_until=None,
    expires_at=START + 45 * DAY,
    next_renewal_at=START + 30 * DAY,
    allowances=(Allowance(USDC, "usdc", 6, 1_000),),
)


def foresight(*outcomes, opening=1_000, days=90, grants=(GRANT,), coins=10**18, **values):
    purses = (
        Purse("p/treasury", USDC, "usdc", 6, opening),
        Purse("p/treasury", NATIVE, "native", 18, coins),
    )
    return Foresight(
        start=START,
        end=START + days * DAY,
        executed=True,
        outcomes=tuple(sorted(outcomes, key=lambda one: one.due_at)),
        grants=grants,
        purses=purses,
        accounts={"p/treasury": Payer(84532, BOB)},
        **values,
    )


DRY = foresight(
    outcome(0, "success", line(600)),
    outcome(31, "success", line(300)),
    outcome(62, "missed", line(600), reason="preflight", detail="execution reverted"),
    outcome(80, "skipped", line(600), reason="paused"),
    troubles=(Trouble(START + 65 * DAY, "p/s", "paused from here on", fatal=False),),
)


# ── sums ──────────────────────────────────────────────────────────────────────────────────────

STATES = st.sampled_from(["success", "skipped", "missed", "superseded", "reverted", "held"])
SLOTS = st.lists(
    st.tuples(
        st.integers(0, 89),
        STATES,
        st.sampled_from([ALICE, BOB]),
        st.integers(1, 10**30),
        st.integers(1, 5),
    ),
    max_size=25,
)


@given(SLOTS)
def test_every_slot_counts_once_and_money_adds_up(slots):
    """
    The four counts are all slots; totals, months and balances are the sums of what is paid.
    """
    outcomes = [
        outcome(day, state, line(amount, to=to), count=count)
        for day, state, to, amount, count in slots
    ]
    found = foresight(*outcomes, opening=10**32)
    paid = sum(amount * count for _, state, _, amount, count in slots if state == "success")

    assert sum(found.counts.values()) == found.total == sum(slot[-1] for slot in slots)
    assert sum(one.amount for one in found.totals) == paid
    months = [one for totals in found.months.values() for one in totals]
    assert sum(one.amount for one in months) == paid
    assert sum(one.count for one in months) == found.counts["success"]
    for course in found.courses:
        assert course.closing == 10**32 - paid
        assert [day for day, _ in course.points] == sorted({day for day, _ in course.points})


def test_the_first_slot_that_is_not_covered_is_named():
    """
    B11: what it needs, what is there, and the day; what was skipped is no shortage.
    """
    course = DRY.driest

    assert course.closing == 100
    assert len(course.shortages) == 1
    assert (course.shortage.needs, course.shortage.holds) == (600, 100)
    assert course.shortage.day == date(2027, 2, 1)
    assert course.lasts_until is None
    assert people.headline(DRY) == (
        "p/treasury runs out of usdc on 1 February 2027: 1 of 4 occurrences fails."
    )


def test_a_purse_that_holds_is_extrapolated_and_one_at_rest_is_not():
    """
    Nine tenths used in 90 days: the rest lasts another ten.
    """
    lasting = foresight(outcome(0, "success", line(450)), outcome(89, "success", line(450)))
    resting = foresight(outcome(0, "success", line(900)))

    assert lasting.courses[0].lasts_until == (START + 100 * DAY).date()
    assert people.lasts(lasting.courses[0]) == "until about March 2027 at this pace"
    assert resting.courses[0].rests
    assert people.lasts(resting.courses[0]) == "nothing leaves it any more"


def test_approvals_are_listed_nowhere_as_money():
    """
    An approval counts against an allowance (B7), and leaves the balance as it is.
    """
    found = foresight(outcome(0, "success", line(7, kind="approve")))

    assert found.totals == ()
    assert found.courses == ()
    assert found.spent_in_all(GRANT, USDC) == 7


def test_fees_leave_the_purse_of_the_coin():
    """
    Of runs and of activations alike.
    """
    found = foresight(outcome(3, fee=40), grants=(replace(GRANT, fee=2),))
    coin = next(one for one in found.courses if one.purse.token == NATIVE)

    assert coin.closing == 10**18 - 42


@pytest.mark.parametrize(
    ("state", "column"),
    [
        ("success", "success"),
        ("skipped", "skipped"),
        ("superseded", "skipped"),
        ("missed", "missed"),
        ("reverted", "failed"),
        ("not_included", "failed"),
        ("held", "failed"),
        ("sent", "failed"),
    ],
)
def test_each_state_has_its_column(state, column):
    """
    What is decided against is skipped; held counts as failed (SEMANTICS §1).
    """
    found = foresight(outcome(0, state))

    assert found.counts[column] == 1
    assert sum(found.counts.values()) == 1


def test_a_grant_that_is_never_got_is_a_failure_without_a_slot():
    """
    A fatal trouble is enough; a consequence is not.
    """
    fatal = foresight(outcome(), troubles=(Trouble(START, "p/key", "refused"),))
    mild = foresight(outcome(), troubles=(Trouble(START, "p/s", "paused", fatal=False),))

    assert fatal.fails
    assert not mild.fails
    assert "p/key is in trouble" in people.headline(fatal)


# ── for scripts ───────────────────────────────────────────────────────────────────────────────


def test_json_keeps_its_promise():
    """
    DESIGN §4: totals, occurrences, grants, failures; amounts are strings, times end with Z.
    """
    answer = json.loads(json.dumps(scripts.as_json(DRY)))

    assert answer["totals"][0] | {"chain": 0, "symbol": "", "decimals": 0, "to_name": ""} == {
        "token": USDC,
        "to": ALICE,
        "amount": "900",
        "count": 2,
        "chain": 0,
        "symbol": "",
        "decimals": 0,
        "to_name": "",
    }
    assert answer["occurrences"] == {"success": 2, "skipped": 1, "missed": 1, "failed": 0}
    assert answer["grants"] == 1
    assert answer["mode"] == "executed"
    (failure,) = answer["failures"]
    assert (failure["due_at"], failure["state"]) == ("2027-02-01T00:00:00Z", "missed")
    assert failure["detail"] == "execution reverted"
    (skip,) = answer["skips"]
    assert (skip["reason"], skip["count"]) == ("paused", 1)
    assert answer["funding"][0]["runs_dry"]["day"] == "2027-02-01"
    assert [one["amount"] for one in answer["payments"]] == ["600", "300"]


def test_csv_has_a_line_for_every_movement_and_no_formula():
    """
    Paid or not; a cell that a spreadsheet would run is text.
    """
    evil = replace(line(), memo="=HYPERLINK(0)", receiver_name="@alice")
    found = foresight(outcome(0, "success", line(5), evil), outcome(1, "skipped", reason="budget"))
    rows = list(csv.DictReader(io.StringIO(scripts.as_csv(found))))

    assert [(row["state"], row["base_units"]) for row in rows] == [
        ("success", "5"),
        ("success", "5"),
        ("skipped", "5"),
    ]
    assert (rows[1]["memo"], rows[1]["to_name"]) == ("'=HYPERLINK(0)", "'@alice")


# ── for people ────────────────────────────────────────────────────────────────────────────────


def test_text_has_the_verdict_first_and_every_part():
    """
    In a pipe nothing is cut, and nothing needs colour.
    """
    lines = people.as_text(DRY, Look())
    text = "\n".join(lines)

    assert lines[0] == people.headline(DRY)
    assert "p/treasury  0.001 usdc  0.0001 usdc  runs dry on 2027-02-01" in text
    assert "Feb 2027   !" in text
    assert re.search(r"2027-02-01 00:00Z  p/s +missed \(preflight\)  needs 0.0006 usdc", text)
    assert re.search(r"p/s +skipped \(paused\) +1  2027-02-19", text)
    assert re.search(r"2026-12 +0.0006 usdc", text)
    assert "\x1b" not in text


def test_nothing_due_is_said():
    """
    An empty window is no failure.
    """
    found = foresight(grants=())

    assert people.as_text(found, Look())[0] == "Nothing is due in this time."
    assert as_page(found).count("<section>") == 0


@given(st.integers(1, 10**9), st.integers(1, 12))
def test_shades_grow_with_counts(most, steps):
    """
    One is the lightest unless it is all there is; the most is the darkest.
    """
    assert people.shade(most, most, steps) == steps - 1
    assert 0 <= people.shade(1, most, steps) <= steps - 1
    half = people.shade(max(most // 2, 1), most, steps)
    assert people.shade(1, most, steps) <= half <= steps - 1


# ── the page ──────────────────────────────────────────────────────────────────────────────────

VOID = {"meta", "br", "i", "path", "rect"}


class Outline(HTMLParser):
    """Checks that elements close, and collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.tags, self.labels = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for name, v in attrs if name in {"src", "href", "srcset", "data"}]
        if tag == "svg":
            self.labels.append(dict(attrs).get("aria-label"))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(page):
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


@pytest.mark.parametrize("found", [DRY, foresight(outcome(400), days=3650), foresight(days=1)])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(found):
    """
    Well-formed, one file: no script, no reference, no address of a network in its style.
    """
    page = as_page(found)
    parsed = outline(page)

    assert parsed.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in page
    assert all(parsed.labels)


def test_the_page_says_in_words_what_it_draws():
    """
    Each plot has a label, days and bars have titles, months are a table besides.
    """
    page = as_page(DRY)

    assert "dry on 1 Feb 2027" in page
    assert "Tuesday, 1 December 2026: 1 paid: 0.0006 usdc" in page
    assert "Monday, 1 February 2027: 1 not paid" in page
    assert '<td data-name="Month"><div>2027-01</div></td>' in page
    assert "generation 1: active 2026-12-01 00:00Z" in page
    assert "needs 0.0006 usdc, p/treasury holds 0.0001" in page
    assert "was due while its schedule was paused" in page


def test_what_a_policy_says_cannot_write_html():
    """
    Names, memos and messages are text on the page.
    """
    evil = '<script>alert("1")</script>'
    found = foresight(
        replace(outcome(0, "success", replace(line(), receiver_name=evil)), schedule=evil),
        replace(outcome(40, "reverted", detail=evil), schedule=evil),
        outcome(50, "success", line(to=BOB)),
        troubles=(Trouble(START, evil, evil, evil),),
        notes=(evil,),
        grants=(replace(GRANT, session=evil),),
    )
    page = as_page(found)

    outline(page)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def luminance(colour):
    """WCAG 2: of #rgb or #rrggbb."""
    digits = colour.removeprefix("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_is_legible_by_day_and_by_night():
    """
    WCAG AA: 4.5 for text on whatever it stands on, 3 for what only a colour says.
    """
    style = files("runner.reporting.foresight").joinpath("page.css").read_text(encoding="utf-8")
    for theme in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", theme))
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "good", "bad"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for ink, ground in (("bad", "bad-soft"), ("good", "good-soft"), ("ink", "none")):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for mark in (
            "skip",
            "fail",
            "heat3",
            "heat4",
            "accent",
            "s1",
            "s2",
            "s3",
            "s4",
            "s5",
            "s6",
        ):
            assert contrast(colours[mark], colours["card"]) >= 3, mark


# ── plots ─────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**40))
def test_the_top_of_an_axis_is_round_and_not_below(value):
    """
    Not more than two and a half times what it has to hold, and of few digits.
    """
    top = plots.nice_top(value)

    assert value <= top <= max(5 * value // 2 + 1, 1)
    assert len(str(top).rstrip("0")) <= 2


@given(st.lists(st.integers(0, 10**20), min_size=1, max_size=5_000))
def test_thinning_keeps_both_ends_and_the_order(values):
    """
    Few enough to draw, and none invented.
    """
    points = [plots.Point(float(day), value) for day, value in enumerate(values)]
    thin = plots.thinned(points)

    assert thin[0] == points[0]
    assert thin[-1] == points[-1]
    assert len(thin) <= 702
    assert [point.day for point in thin] == sorted(point.day for point in thin)
    assert set(thin) <= set(points)


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.integers(1, 36_600))
def test_an_axis_has_few_names_in_order_inside_the_plot(start, days):
    """
    Days, months or years, whichever fits.
    """
    scale = plots.Scale(start, start + timedelta(days=days))
    ticks = scale.ticks()

    assert len(ticks) <= 8
    assert [percent for percent, _ in ticks] == sorted(percent for percent, _ in ticks)
    assert all(0 <= percent <= 100 for percent, _ in ticks)
    assert len({name for _, name in ticks}) == len(ticks)
