"""
Wall times and instants, on days with a gap or a fold.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from runner.errors import EncodingError
from runner.policy.model import Fold, Gap
from runner.scheduling.zones import instants, load_zone, spans, tzdata_version

BERLIN = load_zone("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_ordinary_wall_time_is_one_instant():
    for gap in Gap:
        for fold in Fold:
            nine = datetime.fromisoformat("2026-12-01T09:00")
            assert instants(nine, BERLIN, gap=gap, fold=fold) == (at("2026-12-01T08:00"),)


@pytest.mark.parametrize("fold", Fold)
def test_t2_a_wall_time_in_the_gap(fold):
    half_past_two = datetime.fromisoformat("2026-03-29T02:30")

    shifted = instants(half_past_two, BERLIN, gap=Gap.SHIFT, fold=fold)

    assert shifted == (at("2026-03-29T01:30"),)
    assert shifted[0].astimezone(BERLIN).hour == 3
    for gap in (Gap.SKIP, Gap.FAIL):
        assert instants(half_past_two, BERLIN, gap=gap, fold=fold) == ()


def test_t3_a_wall_time_in_the_fold():
    half_past_two = datetime.fromisoformat("2026-10-25T02:30")
    first, last = at("2026-10-25T00:30"), at("2026-10-25T01:30")

    for fold, expected in (
        (Fold.FIRST, (first,)),
        (Fold.LAST, (last,)),
        (Fold.BOTH, (first, last)),
    ):
        assert instants(half_past_two, BERLIN, gap=Gap.SHIFT, fold=fold) == expected


def test_t2_the_day_that_samoa_left_out():
    apia = load_zone("Pacific/Apia")

    shifted = instants(
        datetime.fromisoformat("2011-12-30T09:00"), apia, gap=Gap.SHIFT, fold=Fold.FIRST
    )

    assert shifted == (at("2011-12-30T19:00"),)
    assert shifted[0].astimezone(apia).isoformat() == "2011-12-31T09:00:00+14:00"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe/Berln",
        "europe/berlin",
        "+01:00",
        "Factory",
        "../tzdata/zones",
        "localtime",
        "/UTC",
    ],
)
def test_t1_unknown_zones_are_refused(name):
    with pytest.raises(EncodingError, match="no time zone") as caught:
        load_zone(name)

    assert caught.value.hint


def test_t1_a_misspelt_zone_is_answered_with_its_likes():
    with pytest.raises(EncodingError) as caught:
        load_zone("Europe/Berln")

    assert "`Europe/Berlin`" in (caught.value.hint or "")


def test_t4_the_version_of_the_zone_data_is_known():
    assert tzdata_version()[:2] == "20"


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]
)
def test_spans_follow_each_other_and_tell_the_offset(name):
    zone, start = load_zone(name), at("2011-11-01T12:34:56")
    before = None

    for span in islice(spans(zone, start), 40):
        assert span.begin < span.end
        if before is not None:
            assert (span.begin, span.before, span.offset) == (
                before.end,
                before.offset,
                before.after,
            )
        for instant in (
            span.begin,
            min(span.end, span.begin + timedelta(days=9)) - timedelta(seconds=1),
        ):
            assert instant.astimezone(zone).utcoffset() == span.offset
        before = span
    assert next(spans(zone, start)).begin <= start
