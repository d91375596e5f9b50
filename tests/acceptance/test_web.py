"""Health and metrics over a filled ledger, as probes and Prometheus read them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.tools import missing
from support.web import TOKEN

DOCS = Path(__file__).parents[2] / "docs"


def test_a_daemon_at_rest_is_alive_and_ready(ask):
    """
    Every check has its word; none of them is a balance.
    """
    ready = ask("/readyz")

    assert ask("/healthz").status_code == 200
    assert ready.status_code == 200
    assert {name: one["status"] for name, one in ready.json()["checks"].items()} == {
        "ledger": "ok",
        "clock": "ok",
        "tick": "ok",
        "config": "ok",
    }
    assert "balance" not in ready.text


def test_a_loop_that_hangs_is_told(ask, source):
    """
    After 10 s it is not ready, after 60 s it is not alive.
    """
    source.beat_at = lambda: source.monotonic() - 11
    assert (ask("/healthz").status_code, ask("/readyz").status_code) == (200, 503)

    source.beat_at = lambda: source.monotonic() - 61
    assert ask("/healthz").status_code == 503


def test_a_ledger_that_takes_no_write_is_not_ready(ask, ledger):
    """
    Here it is gone; the answer says so, and metrics of the process are still there.
    """
    ledger.rename(ledger.with_suffix(".away"))

    ready = ask("/readyz")
    measured = ask("/metrics")

    assert ready.status_code == 503
    assert "there is no ledger" in ready.json()["checks"]["ledger"]["detail"]
    assert 'runner_ready{check="ledger"} 0.0' in measured.text
    assert "runner_runs_open" not in measured.text


@pytest.mark.parametrize(
    ("spoil", "check", "word", "code"),
    [
        (lambda tally: tally.skewed.update(v="critical"), "clock", "failed", 503),
        (lambda tally: tally.skewed.update(v="warning"), "clock", "degraded", 200),
        (lambda tally: tally.unreachable.add("v"), "clock", "degraded", 200),
        (lambda tally: setattr(tally, "refused", True), "config", "degraded", 200),
        (lambda tally: tally.armed.clear(), "tick", "failed", 503),
    ],
)
def test_what_is_wrong_has_its_word(ask, source, spoil, check, word, code):
    """
    What can still pay is degraded, not failed.
    """
    spoil(source.tally)

    ready = ask("/readyz")

    assert ready.status_code == code
    assert ready.json()["status"] == word
    assert ready.json()["checks"][check]["status"] == word


def test_metrics_are_those_of_the_manual(ask, source):
    """
    Names, types and labels are a contract: the table of docs/metrics.md, neither more nor less.
    """
    tally = source.tally
    tally.slots["payroll/salaries", "success", ""] += 1
    tally.requests["sandbox", "eth_chainId", "ok"] += 1
    tally.grant_failures["payroll/key"] += 1
    text = ask("/metrics").text
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    labels = {name: set() for name in types}
    for name, told in re.findall(
        r"^(runner_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? ", text, re.M
    ):
        labels[name] |= set(re.findall(r'(\w+)="', told)) - {"le"}

    rows = re.findall(r"^\| `(runner_\w+)` \| (\w+)(?:: ([^|]+?))? \|", _manual(), re.M)

    assert {name: kind for name, kind, _ in rows} == types
    written = {name: {one for one in names.split(", ") if one} for name, _, names in rows}
    assert written == labels
    assert 15 <= len(types) <= 20


def _manual():
    return (DOCS / "metrics.md").read_text(encoding="utf-8")


def test_metrics_say_what_the_ledger_says(ask):
    """
    Open runs, conditions, what is paused and what is left.
    """
    text = ask("/metrics").text

    assert 'runner_runs_open{reason="guard",state="held"} 1.0' in text
    assert 'runner_runs_open{reason="",state="unknown"} 1.0' in text
    assert float(re.search(r"^runner_unknown_oldest_seconds (\S+)$", text, re.M)[1]) > 86_400
    assert 'runner_session_condition{condition="Ready",session="payroll/key"} 1.0' in text
    assert 'runner_schedule_paused{schedule="payroll/hosting"} 1.0' in text
    assert 'runner_pauses{scope="schedule"} 1.0' in text
    # 10**30 units, of which each of two runs took 2.5 usdc and one of them 40 usdc by approval.
    left = re.search(r"runner_grant_allowance_left_ratio\{.*\} (\S+)", text)
    assert float(left[1]) == pytest.approx(1.0)
    assert re.search(r'runner_grant_runs_left\{session="payroll/key"\} \d', text)


def test_no_metric_holds_a_secret(ask):
    """
    Neither the key in a wallet's URL nor anything sealed.
    """
    text = ask("/metrics").text

    assert "very-secret-path" not in text
    assert "http" not in re.sub(r"^# HELP.*$", "", text, flags=re.M)


def test_pages_of_other_sites_cannot_read_along(ask):
    """
    DNS rebinding: a foreign name for this machine is answered with nothing.
    """
    answer = ask("/metrics", host="evil.example")

    assert answer.status_code == 421
    assert "runner_" not in answer.text


def test_every_answer_tells_the_browser_to_be_careful(ask):
    """
    Also refusals and what is not there.
    """
    for path, headers in (("/", {}), ("/nowhere", {}), ("/", {"host": "evil.example"})):
        answer = ask(path, **headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_beyond_loopback_all_but_the_words_of_probes_needs_the_token(ask):
    """
    A stranger learns whether it runs, and nothing else.
    """
    far = {"bind": "0.0.0.0"}

    assert ask("/metrics", **far).status_code == 401
    assert ask("/healthz", **far).status_code == 200
    assert ask("/readyz", **far).json() == {"status": "ok", "ready": True}
    known = ask("/metrics", **far, authorization=f"Bearer {TOKEN}")
    assert known.status_code == 200
    assert "checks" in ask("/readyz", **far, authorization=f"Bearer {TOKEN}").json()


def test_the_alert_rules_hold():
    """
    Each rule fires when it should, says what it should, and is silent while all is well.
    """
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian: apt-get install prometheus)")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run(
            ["promtool", *command],
            check=False,
            cwd=DOCS / "prometheus",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_alert_rules_name_metrics_and_headings_that_are_there():
    """
    What a rule asks for is in the manual, and so is what it tells people to read.
    """
    rules = (DOCS / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    tests = (DOCS / "prometheus" / "alerts.test.yaml").read_text(encoding="utf-8")
    operations = (DOCS / "operations.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\brunner_[a-z_]+", rules))
    headings = {
        re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^#+ (.+)$", operations, re.M)
    }

    assert {name.removesuffix("_bucket") for name in names} <= set(
        re.findall(r"`(runner_\w+)`", _manual())
    )
    assert set(re.findall(r"operations\.md#([a-z-]+)", rules)) <= headings
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) >= 12
    assert set(alerts) <= set(re.findall(r"alertname: (\w+)", tests))
