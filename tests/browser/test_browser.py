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
