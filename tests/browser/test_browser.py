"""Every page in a real browser: nothing on its console, nothing that axe objects to."""

import os
import re

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("browser")

TOKEN = "correct-horse-battery-staple"
PAGES = {
    "overview": "/",
    "calendar": "/calendar",
    "schedules": "/schedules",
    "schedule": "/schedules/demo/salaries",
    "runs": "/runs",
    "run": None,
    "held": None,
    "grants": "/grants",
    "grant": "/grants/demo/pocket",
    "money": "/money",
    "waiting": "/waiting",
    "stop": "/stop",
    "backfill": "/backfill/demo/salaries?from=2026-03-01&until=2026-06-02",
    "login": "/login",
    "missing": "/runs/0xdead",
}
LOOKS = {"desk-light": (1200, 900, "light"), "phone-dark": (390, 800, "dark")}


def path_of(daemon, name):
    if PAGES[name] is not None:
        return PAGES[name]
    state = {"run": "success", "held": "held"}[name]
    rows = httpx.get(f"{daemon.url}/api/v1/runs", params={"state": state}).json()
    return f"/runs/{rows[0]['id']}"


@pytest.fixture
def tab(chromium, daemon, request):
    """A page of the browser; what it writes on its console is an error."""
    width, height, scheme = LOOKS[getattr(request, "param", "desk-light")]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=False
    )
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.look = f"{width}-{scheme}"
    yield page
    context.close()


def go(tab, daemon, path):
    answer = tab.goto(daemon.url + path, wait_until="load")
    tab.wait_for_timeout(150)
    return answer


def sign_in(tab, daemon, to="/waiting"):
    go(tab, daemon, f"/login?to={to}")
    tab.fill("input[name=name]", "Ada")
    tab.fill("input[name=token]", TOKEN)
    tab.click("button:has-text('Sign in')")
    tab.wait_for_load_state()


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(tab, daemon, chromium, axe, name):
    """
    WCAG AA by axe (contrast, names, roles, order), no word on the console, nothing beyond the
    screen's edge; in light on a desk and in dark on a phone.
    """
    go(tab, daemon, path_of(daemon, name))
    complaints = [one for one in tab.complaints if "404" not in one]
    if folder := os.environ.get("TESTS_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/{name}-{tab.look}.png", full_page=True)
    wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    tab.add_init_script(axe)
    tab.reload(wait_until="load")
    found = tab.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")

    told = [
        f"{one['id']}: {node['html'][:150]}" for one in found["violations"] for node in one["nodes"]
    ]
    assert told == []
    assert complaints == []
    assert wide <= 0
    assert len(found["passes"]) > 8


def test_a_page_is_live(tab, daemon):
    """
    A payment that is made meanwhile appears by itself; nothing is loaded anew.
    """
    go(tab, daemon, "/runs?schedule=demo/quick")
    before = tab.locator("tbody tr").first.inner_text()
    tab.evaluate("window.mine = 1")

    tab.wait_for_function(
        "text => document.querySelector('tbody tr').innerText !== text", arg=before, timeout=20_000
    )

    assert tab.evaluate("window.mine") == 1
    assert "on" in tab.locator("#pulse").get_attribute("class")
    assert tab.complaints == []


def test_what_a_page_could_not_wait_for_appears_by_itself(tab, daemon):
    """
    The page says that sums are still being made, asks again within a moment, and has them.
    """

    def early(route):
        body = route.fetch().text()
        begun = body.replace('data-live="follows">', 'data-live="follows"><p data-soon>soon</p>')
        assert begun != body
        route.fulfill(body=begun, content_type="text/html")
        tab.unroute("**/money")

    tab.route("**/money", early)
    go(tab, daemon, "/money")
    tab.evaluate("window.mine = 1")
    tab.wait_for_function("document.querySelector('[data-soon]') === null", timeout=20_000)

    assert tab.evaluate("window.mine") == 1
    assert tab.complaints == []


def test_a_person_signs_in_and_approves_by_keyboard(tab, daemon):
    """
    With the token, a name and a reason; the page tells what came of it.
    """
    sign_in(tab, daemon)
    tab.wait_for_selector("text=Approve exactly this", timeout=20_000)
    tab.locator("input[name=reason]").first.focus()
    tab.keyboard.type("I owe it")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("p.told", timeout=20_000)

    assert "approved" in tab.locator("p.told").inner_text()
    assert "Ada" in tab.locator(".who").inner_text()
    assert tab.complaints == []


def test_a_schedule_is_paused_and_let_go_on(tab, daemon):
    """
    By the forms of its page.
    """
    sign_in(tab, daemon, "/schedules/demo/salaries")
    for button in ("Pause it", "Let it go on"):
        form = tab.locator("form.action", has=tab.locator(f"button:has-text('{button}')"))
        form.locator("input[name=reason]").fill("a test")
        form.locator("button").click()
        tab.wait_for_selector("p.told", timeout=20_000)
        assert "reason" not in tab.locator("p.told").inner_text()

    state = httpx.get(f"{daemon.url}/api/v1/schedules").json()
    assert not next(one for one in state if one["schedule"] == "demo/salaries")["paused"]
    assert tab.complaints == []


ACTING = {
    "schedule": "/schedules/demo/salaries",
    "grant": "/grants/demo/pocket",
    "waiting": "/waiting",
    "stop": "/stop",
    "backfill": "/backfill/demo/salaries?from=2026-03-01&until=2026-06-02",
}


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
@pytest.mark.parametrize("name", ACTING)
def test_forms_are_sound(tab, daemon, axe, name):
    """
    What a person sees who has signed in, every form open: as the pages, by the same rules.
    """
    sign_in(tab, daemon, "/waiting")
    tab.add_init_script(axe)
    go(tab, daemon, ACTING[name])
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    if folder := os.environ.get("TESTS_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/acting-{name}-{tab.look}.png", full_page=True)
    wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    found = tab.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")

    assert tab.locator("form.action").count() > 0
    assert [f"{one['id']}: {one['nodes'][0]['html'][:150]}" for one in found["violations"]] == []
    assert tab.complaints == []
    assert wide <= 0


def send(tab, button):
    """Fill the form that has this button, and press it."""
    form = tab.locator("form.action", has=tab.locator(f"button:has-text('{button}')"))
    form.locator("input[name=reason]").fill("a test")
    if form.locator("input[name=sure]").count():
        form.locator("input[name=sure]").check()
    form.locator("button").click()
    tab.wait_for_selector("p.told:not([data-soon])", timeout=20_000)
    return tab.locator("p.told:not([data-soon])").inner_text()


def test_what_was_left_out_is_paid_after_a_look(tab, daemon):
    """
    The stretch, then its slots with their sum, then a yes.
    """
    sign_in(tab, daemon, "/schedules/demo/salaries")
    tab.locator("summary:has-text('Pay what was left out')").click()
    form = tab.locator("form[action^='/backfill']")
    form.locator("input[name=from]").fill("2026-09-01")
    form.locator("input[name=until]").fill("2026-10-02")
    form.locator("button").click()
    tab.wait_for_selector("text=2 slots: 6 usdc in all")

    told = send(tab, "Pay exactly these")

    assert "2 claimed by hand" in told
    assert tab.complaints == []


def test_everything_is_stopped_and_goes_on(tab, daemon):
    """
    From the link that every page has; the page tells what holds, and ends it.
    """
    sign_in(tab, daemon, "/waiting")
    tab.locator("header a:has-text('stop…')").click()
    tab.wait_for_load_state()

    stopped = send(tab, "Stop everything")
    says = tab.locator("h1").inner_text()
    ended = send(tab, "End the stop")

    assert "Everything is stopped" in stopped
    assert "Nothing is signed or sent" in says
    assert "The stop is over" in ended
    assert tab.complaints == []


def test_nothing_is_taken_away_without_a_tick(tab, daemon):
    """
    The browser asks for it before the server does.
    """
    sign_in(tab, daemon, "/stop")
    button = tab.locator("button:has-text('take every grant off')")
    form = tab.locator("form.action", has=button)
    form.locator("input[name=reason]").fill("a test")
    button.click()

    assert tab.evaluate("document.activeElement.name") == "sure"
    assert tab.url.endswith("/stop")


def test_what_a_policy_says_runs_nothing(tab, daemon):
    """
    A memo with markup stands there as text.
    """
    go(tab, daemon, "/schedules/demo/salaries")

    assert tab.locator("b[onmouseover]").count() == 0
    assert re.search("salar", tab.locator("h1").inner_text())


def test_the_menu_is_passed_by_one_key(tab, daemon):
    """
    The first stop of the Tab key skips to the content.
    """
    go(tab, daemon, "/")
    tab.keyboard.press("Tab")

    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#main")
