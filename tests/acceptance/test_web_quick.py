"""Pages answer at once however much there is: by indices, and without waiting for sums."""

import re
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from runner.adapters.sql import pages, reading
from runner.dashboard.pages import make_ready
from runner.reporting.totals import report, summed

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

BIG = ("occurrences", "runs", "transfers", "operations", "events", "reservations")
PATHS = [
    "/",
    "/calendar",
    "/schedules",
    "/schedules/payroll/salaries",
    "/runs",
    "/runs?schedule=payroll/salaries&from=2026-01-01&to=2026-02-01",
    "/runs/payroll/salaries@2026-01-05T09:00:00%230",
    "/grants",
    "/grants/payroll/key",
    "/money",
    "/waiting",
    "/api/v1/status",
    "/api/v1/schedules",
    "/api/v1/runs?limit=20",
    "/api/v1/grants",
    "/api/v1/calendar",
    "/metrics",
    "/readyz",
]


@pytest.fixture
def asked():
    """Every statement that is sent to a database, with its values in place."""
    found = []

    def listen(connection, record):
        del record
        connection.set_trace_callback(found.append)

    event.listen(Pool, "connect", listen)
    yield found
    event.remove(Pool, "connect", listen)


def plan_of(connection, statement):
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_reads_a_growing_table_from_end_to_end(ledger, asked, browser, path):
    """
    What grows with every payment is found by an index, by key or in the index's order.
    """
    assert browser.get(path, accept="text/html").status_code == 200
    wait_for_sums()
    reads = [one for one in asked if one.lstrip().upper().startswith(("SELECT", "WITH"))]

    with sqlite3.connect(ledger) as connection:
        plans = {one: plan_of(connection, one) for one in reads}
    whole = {
        one: line
        for one, lines in plans.items()
        for line in lines
        if re.match(rf"SCAN ({'|'.join(BIG)})\b(?! USING INDEX)", line)
    }

    assert reads
    assert whole == {}


def wait_for_sums():
    for thread in threading.enumerate():
        if thread.name == "sums":
            thread.join(30)


def test_a_scan_would_be_seen(ledger):
    """
    The check above can fail.
    """
    with sqlite3.connect(ledger) as connection:
        (line,) = plan_of(connection, "SELECT * FROM runs WHERE detail = 'x'")

    assert re.match(rf"SCAN ({'|'.join(BIG)})\b(?! USING INDEX)", line)


def test_sums_of_the_database_are_those_of_the_report(ledger):
    """
    Counted by equal movements or line by line: the same totals, without what no receipt showed.
    """
    end = BEGIN + timedelta(days=90)
    with reading.ledger(f"sqlite:///{ledger}") as c:
        moved, totals = summed(pages.moved_by_day(c, start=BEGIN, end=end))
        whole = report(reading.payments(c, start=BEGIN, end=end))

    assert len(totals) >= 2
    assert sorted(totals, key=str) == sorted(whole.totals, key=str)
    assert sum(one.times for one in moved) == sum(one.count for one in totals)


@pytest.fixture
def held_up(monkeypatch):
    """Sums of money take until they are let go."""
    go, real = threading.Event(), pages.moved_by_day

    def slow(*arguments, **named):
        assert go.wait(30)
        return real(*arguments, **named)

    monkeypatch.setattr(pages, "moved_by_day", slow)
    yield go
    go.set()


def test_a_page_says_what_it_could_not_wait_for(ledger, browser, held_up):
    """
    It is there at once, never with a sum that is none; the next look has all.
    """
    browser.web.patience_seconds = 0.01
    first = browser.get("/money", accept="text/html").text
    held_up.set()
    browser.web.patience_seconds = 30.0
    second = browser.get("/money", accept="text/html").text

    assert "data-soon" in first
    assert "is being added up" in first
    assert "Nothing was paid" not in first
    assert "data-soon" not in second
    assert "Nothing was paid in the last 30 days" in second


def test_pages_are_made_ready_for_the_first_who_looks(ledger, browser, held_up):
    """
    Every page of the menu once, without any of its sums.
    """
    make_ready(browser.web)

    assert not held_up.is_set()
    assert not [one for one in threading.enumerate() if one.name == "sums"]
    assert browser.get("/schedules").status_code == 200
