"""Who may come in, and who may not."""

import pytest
from starlette.datastructures import Headers

from runner.dashboard.security import COOKIE, SEAT_SECONDS, Door

TOKEN = "correct-horse-battery-staple"


class Time:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def door(time):
    return Door("127.0.0.1", TOKEN, clock=time, monotonic=time)


def headers(**values):
    return Headers({name.replace("_", "-"): value for name, value in values.items()})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost",
        "localhost:9000",
        "[::1]:8080",
        "runner.localhost",
        "127.0.0.9",
    ],
)
def test_this_machine_is_known_by_its_names(door, host):
    """
    Any port: a tunnel may end at another one.
    """
    assert door.knows_host(headers(host=host))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8080", "", "[", "localhost.evil.io"],
)
def test_a_name_that_was_rebound_to_this_machine_is_turned_away(door, host):
    """
    DNS rebinding: the browser believes that our pages belong to the attacker's site.
    """
    assert not door.knows_host(headers(host=host))


def test_only_the_token_fits(door):
    """
    Nothing shorter, longer or empty.
    """
    assert door.fits(TOKEN)
    assert not any(door.fits(one) for one in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper()))


def test_without_a_token_nothing_fits():
    """
    Not even nothing.
    """
    door = Door("127.0.0.1", None)

    assert not door.has_token
    assert not door.fits("")


def test_guessing_is_slowed_down(door, time):
    """
    Ten wrong tokens a minute; then even the right one has to wait.
    """
    for number in range(10):
        assert not door.fits(f"guess {number}")
    assert not door.fits(TOKEN)
    assert door.wait_seconds() == pytest.approx(60)

    time.now += 60.1
    assert door.fits(TOKEN)


def test_a_seat_is_kept_until_it_ends(door, time):
    """
    It carries the name that was given, whatever its characters, and ends by itself.
    """
    cookie = door.new_seat("Ada; Löve=lace")

    seat = door.seat(cookie)
    assert seat is not None
    assert seat.name == "Ada; Löve=lace"
    time.now += SEAT_SECONDS + 1
    assert door.seat(cookie) is None


def test_a_seat_cannot_be_made_up(door, time):
    """
    Neither changed, nor taken over from another process.
    """
    cookie = door.new_seat("ada")
    until, *rest = cookie.split(".")

    forged = ".".join([str(int(until) + 9999), *rest])
    other = Door("127.0.0.1", TOKEN, clock=time, monotonic=time).new_seat("ada")

    assert [door.seat(one) for one in (forged, other, "", None, "a.b.c.ü", ".")] == [None] * 6


def test_every_seat_has_a_form_key_of_its_own(door):
    """
    So that a form of one seat says nothing about another.
    """
    seats = [door.seat(door.new_seat("ada")) for _ in range(2)]

    assert seats[0].csrf != seats[1].csrf


def test_beyond_loopback_reading_needs_the_token(time):
    """
    By header or by seat; on loopback nothing is needed to read.
    """
    far = Door("0.0.0.0", TOKEN, clock=time, monotonic=time)
    near = Door("127.0.0.1", TOKEN)

    assert near.may_read(headers())
    assert not far.may_read(headers())
    assert not far.may_read(headers(authorization="Bearer wrong"))
    assert far.may_read(headers(authorization=f"Bearer {TOKEN}"))
    assert far.may_read(headers(cookie=f"a=b; {COOKIE}={far.new_seat('ada')}"))


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, True),
        ({"sec_fetch_site": "same-origin", "origin": "http://localhost:8080"}, True),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:9999"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_forms_of_other_sites_are_known_as_such(given, own):
    """
    By what browsers say of where a form came from.
    """
    assert Door.is_own_form(headers(host="localhost:8080", **given)) is own
