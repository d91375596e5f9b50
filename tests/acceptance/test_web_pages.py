"""The pages over a filled ledger: what they show, and that they show nothing they should not."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from runner.guard.intent import TransferLine

PAGES = ["/", "/calendar", "/schedules", "/runs", "/grants", "/money", "/waiting"]
RUN = "/runs/payroll/salaries@2026-01-05T09:00:00%230"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


class Page(HTMLParser):
    """Tags with their attributes, links, headings and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text, self.ids = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])

    def handle_data(self, data):
        self.text.append(data)

    @property
    def said(self):
        return re.sub(r"\s+", " ", "".join(self.text))

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def page(ask):
    def call(path, code=200):
        answer = ask(path, accept="text/html")
        assert answer.status_code == code, (path, answer.text[:300])
        assert answer.headers["content-type"].startswith("text/html")
        return Page(answer.text)

    return call


def test_every_link_leads_somewhere(ask):
    """
    From the overview, over all links of all pages: pages, lists, runs, the API, metrics.
    """
    waiting, seen = ["/"], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen or len(seen) > 60:
            continue
        seen.add(path)
        answer = ask(path, accept="text/html")
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            found = Page(answer.text)
            assert found.links
            waiting += [one for one in found.links if one.startswith("/")]

    assert {*PAGES, "/metrics", "/api/v1/openapi.json", "/login?to=/"} <= seen
    assert any(path.startswith("/runs/0x") for path in seen)
    assert any(path.startswith("/grants/payroll/key") for path in seen)


@pytest.mark.parametrize(
    "path", [*PAGES, "/schedules/payroll/salaries", RUN, "/grants/payroll/key"]
)
def test_every_page_is_sound(page, path):
    """
    One heading that names it, a way past the menu, labels on what is drawn, no id twice; no style
    and no script of its own, so that the browser's policy lets nothing else run.
    """
    found = page(path)

    assert found.count("h1") == 1
    assert ("a", {"class": "skip", "href": "#main"}) in found.tags
    assert found.count("main") == found.count("title") == 1
    assert len(found.ids) == len(set(found.ids))
    for tag, attributes in found.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert attributes["src"].startswith("/static/")
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes["aria-label"]
    assert not any(tag == "style" for tag, _ in found.tags)


def test_the_overview_says_what_needs_a_person(page):
    """
    In the words of `status`, with what to do.
    """
    said = page("/").said

    assert "things need you." in said
    assert "payroll/hosting is paused: 3 failed runs in a row" in said
    assert "runner runs show" in said
    assert "What comes next" in said


def test_a_run_is_told_from_its_slot_to_its_block(page):
    """
    What it moves, its calls in words, every operation of every attempt, everything that happened.
    """
    said = page(RUN).said

    assert "It was paid: included and final" in said
    assert "2.5 usdc" in said
    assert "transfer 2.5 usdc → alice" in said
    assert "burn, attempt 1" in said
    assert "block 12" in said.replace("12,", "12")
    assert "3 rules, all held" in said
    assert "the frozen calls, byte for byte" in said
    for event in ("occurrence.claimed", "run.prepared", "operation.signed.payment", "run.success"):
        assert event in said


def test_what_the_guard_refused_is_shown(page):
    """
    The state, its reason in words, and what to do.
    """
    said = page("/runs?state=held").said
    assert "held (guard)" in said

    run = page("/runs/payroll/salaries@2026-01-05T12:00:00%230").said
    assert "calls[0].to is not what was asked" in run
    assert "to do:" in run


def test_runs_are_found_by_filter(page):
    """
    By state and schedule; what was chosen stays chosen.
    """
    found = page("/runs?state=missed&schedule=payroll/hosting")

    assert "1501 slots until" in found.said
    assert ("option", {"selected": None}) in found.tags
    assert "There is none like that." in page("/runs?schedule=payroll/nothing").said


def test_a_schedule_tells_why(page):
    """
    Field by field, for the next slot or the one that is asked for.
    """
    assert "The slot of" in page("/schedules/payroll/salaries").said
    past = page("/schedules/payroll/salaries?at=2026-01-05T09:00:00%230").said
    assert "It was paid" in past
    assert "attempt 2" in past


def test_a_grant_shows_its_time_and_what_is_left(page):
    """
    Its facts, its permissions, a plot of its allowance, its generations.
    """
    found = page("/grants/payroll/key")

    assert "Generation 1" in found.said
    assert "Allowance of usdc" in found.said
    plots = [one for tag, one in found.tags if tag == "svg" and one.get("class") == "plot"]
    assert re.search(r"\d+% left, \d+% of its time is over", plots[0]["aria-label"])


def test_a_month_shows_what_was_and_what_comes(page):
    """
    Past ones from the ledger, coming ones from the policies.
    """
    assert "✓ salaries × 2" in page("/calendar?month=2026-01").said
    assert "→ once: 1 usdc → alice" in page("/calendar?month=2027-05").said


def test_what_waits_is_on_one_page(page):
    """
    Pauses with their reason; empty parts say that they are empty.
    """
    said = page("/waiting").said

    assert "3 failed runs in a row" in said
    assert "Nobody is asked for anything." in said


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/runs/0xdead", 404),
        ("/schedules/payroll/none", 404),
        ("/grants/payroll/none", 404),
        ("/calendar?month=2026-13", 400),
        ("/runs?from=x", 400),
        ("/schedules/payroll/salaries?at=x", 400),
    ],
)
def test_what_cannot_be_shown_is_told(page, path, code):
    """
    As a page with a way back.
    """
    found = page(path, code)

    assert "That did not work" in found.said
    assert "/" in found.links


def test_nothing_that_people_write_becomes_markup(ask, source, monkeypatch):
    """
    A memo, a name or a search with tags in it stands there as text.
    """
    from runner.adapters.sql import reading

    real = reading.line_from
    hostile = {"memo": HOSTILE, "receiver_name": HOSTILE, "symbol": HOSTILE}

    def spoiled(row):
        line = real(row)
        assert isinstance(line, TransferLine)
        return replace(line, **hostile)

    monkeypatch.setattr(reading, "line_from", spoiled)

    paths = ["/", "/runs", RUN, "/money", f"/schedules?q={HOSTILE}", f"/runs?schedule={HOSTILE}"]
    for path in [*paths, f"/runs/{HOSTILE}", f"/schedules/{HOSTILE}", f"/calendar?month={HOSTILE}"]:
        text = ask(path, accept="text/html").text
        assert "<script>alert" not in text, path
        assert "<img" not in text, path
        assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(.{0,4})", text)
    assert "&lt;script&gt;alert(1)" in ask(RUN, accept="text/html").text


def test_pages_are_kept_nowhere(ask):
    """
    Who is paid what is nobody else's business; only what is public is kept by a browser.
    """
    assert ask("/", accept="text/html").headers["cache-control"] == "no-store"
    assert "max-age" in ask("/static/app.css").headers["cache-control"]
    assert ask("/static/../app.py").status_code == 404
    assert ask("/static/base.html").status_code == 404


def test_without_a_token_the_page_says_that_it_only_shows(ask):
    """
    And how that is changed.
    """
    assert "read only" in ask("/", token=None, accept="text/html").text
    assert "RUNNER_HTTP_TOKEN" in ask("/login", token=None, accept="text/html").text


def test_a_ledger_that_is_away_is_told_on_the_page(page, ledger):
    """
    503, in words.
    """
    ledger.rename(ledger.with_suffix(".away"))

    assert "there is no ledger" in page("/", 503).said


def test_times_are_given_to_machines_too(page, ledger):
    """
    Every time that is shown has its RFC 3339 form.
    """
    times = [one["datetime"] for tag, one in page("/runs").tags if tag == "time"]

    assert len(times) >= 6
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", one) for one in times)
