"""The JSON API: what the commands tell scripts, over HTTP; and its own description is true."""

import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from runner.dashboard import openapi

ROW = "payroll/salaries@2026-01-05T09:00:00#0"
PATHS = {
    "/status": "/status",
    "/schedules": "/schedules",
    "/runs": "/runs",
    "/runs/{id}": "/runs/payroll%2Fsalaries%402026-01-05T09:00:00%230",
    "/grants": "/grants",
    "/calendar": "/calendar?month=2026-01",
    "/next": "/next?limit=5",
    "/report": "/report?from=2026-01-01&to=2027-01-01",
}


@pytest.fixture
def api(ask):
    """A read, which has to succeed."""

    def call(path):
        answer = ask(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


def validator(path, document):
    [answer] = document["paths"][path]["get"]["responses"]["200"]["content"].values()
    schema = {**answer["schema"], "components": document["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


@pytest.mark.parametrize("path", openapi.ROUTES)
def test_every_route_answers_as_it_is_described(api, path):
    """
    With something in it: an empty list would fit any schema of a list.
    """
    document = api("/openapi.json")
    found = api(PATHS[path])

    assert found
    validator(path, document).validate(found)


@pytest.mark.parametrize("path", openapi.ROUTES)
def test_a_schema_refuses_what_it_does_not_describe(api, path):
    """
    Each schema has members that it requires: it could not be true of everything.
    """
    check = validator(path, api("/openapi.json"))

    assert not check.is_valid("text")
    assert not check.is_valid([{}]) or not check.is_valid({})


def test_every_route_is_described_and_every_description_has_a_route(api):
    """
    The parameters in the description are those that the tests know a path for.
    """
    document = api("/openapi.json")

    assert set(document["paths"]) == set(PATHS)
    assert document["openapi"].startswith("3.1")
    for path in document["paths"].values():
        assert list(path) == ["get"]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/runs", ["runs", "list"]),
        (PATHS["/runs/{id}"], ["runs", "show", ROW]),
        ("/grants", ["grants", "list"]),
        ("/schedules", ["schedules", "list"]),
        (PATHS["/report"], ["report"]),
        ("/next?from=2026-06-01&limit=7", ["next", "--from", "2026-06-01", "--count", "7"]),
    ],
)
def test_scripts_read_the_same_from_both(api, runner, path, command):
    """
    The shapes of `--json` are a contract, and these are the same values.
    """
    assert api(path) == runner(*command, "--json").json


def test_status_is_that_of_the_command(api, runner):
    """
    But for the moment and for ages.
    """
    mine, told = api("/status"), runner("status", "--json").json
    for one in (mine, told):
        one.pop("at")
        for run in one["open_runs"]:
            run.pop("age_seconds")
        for schedule in one["schedules"]:  # `every` begins when it is asked for
            schedule.pop("next")
        for finding in one["findings"]:
            finding["what"] = re.sub(r"\d+ \w+( \d+ \w+)?", "…", finding["what"])
    mine["store"] = told["store"]

    assert mine == told


def test_pages_follow_each_other_without_gap_or_repetition(ask):
    """
    Each page names the next one; all together are the whole list.
    """
    whole = ask("/api/v1/runs").json()
    found, path, pages = [], "/api/v1/runs?limit=2", 0
    while path is not None:
        answer = ask(path)
        found += answer.json()
        pages += 1
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        path = link[1] if link else None

    assert pages == 3
    assert found == whole
    assert len(whole) == 6


def test_runs_are_found_by_schedule_state_and_time(api):
    """
    The state is that of the newest attempt; of a slot without a run, its decision.
    """

    def due(query):
        return [row.get("due_at", row.get("from")) for row in api(f"/runs?{query}")]

    assert due("state=success") == ["2026-01-05T14:00:00Z", "2026-01-05T09:00:00Z"]
    assert due("state=not_included") == []
    assert due("state=skipped") == ["2026-01-05T10:00:00Z"]
    assert due("schedule=payroll/hosting") == ["2026-01-05T11:00:00Z"]
    assert due("from=2026-01-05T10:00Z&to=2026-01-05T12:00Z") == [
        "2026-01-05T11:00:00Z",
        "2026-01-05T10:00:00Z",
    ]


def test_the_calendar_has_what_was_and_what_comes(api):
    """
    As of the ledger, and of the policies from now on.
    """
    past = api("/calendar?month=2026-01")
    coming = api("/calendar?month=2027-05")

    assert {row["state"] for row in past} >= {"success", "skipped", "missed"}
    assert {"schedule": "payroll/once", "state": "to_come"}.items() <= next(
        row for row in coming if row["schedule"] == "payroll/once"
    ).items()


@pytest.mark.parametrize(
    "path",
    [
        "/runs?limit=0",
        "/runs?limit=1001",
        "/runs?limit=ten",
        "/runs?from=yesterday",
        "/runs?from=2026-01-05T09:00",
        "/runs?cursor=%00",
        "/runs?cursor=eA==",
        "/grants?cursor=eA==",
        "/calendar?month=2026-13",
        "/calendar?months=13",
        "/next?from=x",
    ],
)
def test_a_parameter_that_cannot_be_read_is_told(ask, path):
    """
    400, with what it should be.
    """
    answer = ask(f"/api/v1{path}")

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_what_is_not_there_is_told(ask):
    """
    404 in words; a beginning that fits several is none.
    """
    none = ask("/api/v1/runs/0xdead")
    several = ask("/api/v1/runs/0x")

    assert (none.status_code, several.status_code) == (404, 404)
    assert "there is no run" in none.json()["error"]
    assert "write more of the id" in several.json()["error"]


def test_nothing_is_changed_by_reading(browser):
    """
    Every route refuses everything but GET.
    """
    for path in PATHS.values():
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert browser.send(method, f"/api/v1{path}", {}).status_code == 405


def test_no_secret_is_shown(ask):
    """
    Of a wallet's URL only its origin.
    """
    text = ask("/api/v1/status").text

    assert "very-secret-path" not in text
    assert "http://127.0.0.1:8545 (sandbox)" in text
