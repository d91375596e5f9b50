"""One incident for each cause: told at once, then ever more quietly, and taken back."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.alerting.causes import Cause, Raised, Severity
from runner.alerting.incidents import Word, due, raised, resolved, spoken
from runner.alerting.messages import about

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CAUSE = Cause("held", "p/s")


def news(severity=Severity.WARNING, **fields):
    return Raised(CAUSE, severity, "waits", **fields)


def words(steps):
    """The words told over (minutes, what happens) steps, looked at each minute in between."""
    incident, told, now = None, [], NOW
    for minutes, step in steps:
        for _ in range(minutes):
            if incident is not None and (word := due(incident, now)) is not None:
                told.append((word, (now - NOW) // MINUTE))
                incident = spoken(incident, now)
            now += MINUTE
        if isinstance(step, Raised):
            incident = raised(incident, step, now)
        elif incident is not None and incident.is_open:
            incident = resolved(incident, now)
    return told


def test_it_is_told_at_once_and_then_in_growing_intervals():
    told = words([(0, news()), (5 * 24 * 60, news())])

    assert [word for word, _ in told] == [Word.OPENED, *[Word.REPEATED] * 6]
    hours = [minute // 60 for _, minute in told]
    gaps = [later - earlier for earlier, later in itertools.pairwise(hours)]
    assert gaps == [4, 8, 16, 24, 24, 24]


def test_what_is_critical_is_repeated_sooner():
    told = words([(0, news(Severity.CRITICAL)), (4 * 60, news(Severity.CRITICAL))])

    assert [minute for _, minute in told] == [0, 30, 90, 210]


def test_what_becomes_worse_is_told_at_once_and_its_repeats_begin_anew():
    told = words([(0, news()), (10, news(Severity.CRITICAL)), (60, news())])

    assert told == [(Word.OPENED, 0), (Word.WORSE, 10), (Word.REPEATED, 40)]


def test_what_ends_before_anybody_was_told_is_never_told():
    assert words([(0, news(lasting=5 * MINUTE)), (3, None), (60, None)]) == []


def test_what_lasts_is_told_then_and_taken_back():
    told = words(
        [(0, news(lasting=5 * MINUTE)), (3, news(lasting=5 * MINUTE)), (7, None), (5, None)]
    )

    assert told == [(Word.OPENED, 5), (Word.RESOLVED, 10)]


def test_what_comes_and_goes_each_minute_is_told_every_five_minutes_at_most():
    told = words([(0, news()), *[(1, None), (1, news()), (0, news())] * 30])

    opened = [minute for word, minute in told if word is Word.OPENED]
    gaps = [later - earlier for earlier, later in itertools.pairwise(opened)]
    assert len(opened) <= 13
    assert min(gaps) >= 5


def test_what_is_informative_is_told_once():
    assert words([(0, news(Severity.INFO)), (3 * 24 * 60, None), (1, None)]) == [
        (Word.OPENED, 0),
        (Word.RESOLVED, 3 * 24 * 60),
    ]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.one_of(
            st.none(),
            st.builds(
                news,
                st.sampled_from(Severity),
                lasting=st.integers(0, 5).map(lambda count: count * MINUTE),
            ),
        ),
    ),
    max_size=12,
)


@given(STEPS)
def test_law_words_alternate_and_severity_never_falls_while_it_lasts(steps):
    """
    Between an opening and its end only repeats; an end is told to who was told of the beginning.
    """
    told = [word for word, _ in words(steps)]

    is_open = False
    for word in told:
        assert is_open == (word is not Word.OPENED)
        is_open = word is not Word.RESOLVED


@given(STEPS)
def test_law_severity_rises_alone(steps):
    incident, now = None, NOW
    for minutes, step in steps:
        now += minutes * MINUTE
        if isinstance(step, Raised):
            before = incident
            incident = raised(incident, step, now)
            if before is not None and before.is_open:
                assert incident.severity.rank == max(before.severity.rank, step.severity.rank)
                assert incident.opened_at == before.opened_at


def test_two_words_about_one_incident_have_two_ids_and_the_same_word_has_one():
    first = raised(None, news(), NOW)
    later = spoken(first, NOW)

    ids = [
        about(first, Word.OPENED, NOW).id,
        about(first, Word.OPENED, NOW + HOUR).id,
        about(later, Word.REPEATED, NOW).id,
        about(raised(None, news(), NOW + HOUR), Word.OPENED, NOW).id,
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_message_says_what_where_since_when_and_what_to_do():
    one = raised(None, news(detail="no balance", hint="fund it", run="0x12"), NOW)

    message = about(one, Word.OPENED, NOW)

    assert message.title == "[warning] p/s waits"
    assert message.text == "no balance\nTo do: fund it\nSince 2026-12-01 09:00 UTC."
    assert (message.body["status"], message.body["run"]) == ("opened", "0x12")
