"""Sets of visitors become counts and sketches; weeks, months and years are counted exactly before."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from ingest.models import DailyTotal, Site
from ingest.retention import cuts, seal
from ingest.retention.seal import Span, spans_of
from ingest.rollups import sets
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.retention.examples import (
    MONDAY,
    MUCH_LATER,
    at,
    change,
    clean,
    count,
    count_of,
    one,
    some_days,
    write,
)

SPANS = """
SELECT span, first_day::text, visitors FROM ingest_span_count WHERE dimension = '' ORDER BY first_day, span DESC
"""
DAY = timedelta(days=1)


@pytest.fixture
def large(old: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Sets of three or more are large enough for a sketch."""
    monkeypatch.setattr(sets, "FEWEST", 3)
    return old


def seal_all(site: Site, now: datetime = MUCH_LATER) -> int:
    known = KnownSite.of(site)
    return seal.seal(known, seal.due(site, cuts.of(site, now).sessions, now).days, now).days


def finish(site: Site) -> None:
    DailyTotal.objects.filter(site_id=site.pk).update(is_final=True)


@pytest.mark.parametrize(
    ("day", "spans"),
    [
        (date(2001, 1, 1), [(date(2001, 1, 1), date(2001, 1, 7)), (date(2001, 1, 1), date(2001, 1, 31))]),
        (date(2023, 1, 1), [(date(2022, 12, 26), date(2023, 1, 1)), (date(2023, 1, 1), date(2023, 1, 31))]),
        (date(2024, 2, 29), [(date(2024, 2, 26), date(2024, 3, 3)), (date(2024, 2, 1), date(2024, 2, 29))]),
    ],
)
def test_a_day_lies_in_a_week_a_month_and_a_year(day: date, spans: list[tuple[date, date]]) -> None:
    week, month, year = spans_of(day)
    assert [week, month] == [Span("week", *spans[0]), Span("month", *spans[1])]
    assert year == Span("year", date(day.year, 1, 1), date(day.year, 12, 31))


def test_it_works(large: Site) -> None:
    some_days(large, 14)
    finish(large)
    assert seal_all(large) == 14
    assert rows("SELECT DISTINCT is_sealed, members IS NULL, visitors FROM ingest_daily_total") == [(True, True, 3)]
    assert one("SELECT count(*) FROM ingest_daily_breakdown WHERE members IS NOT NULL") == 0
    of_first = [(span, "2001-01-01", 3) for span in ("year", "week", "month")]
    assert rows(SPANS) == [*of_first, ("week", "2001-01-08", 3)]


def test_sketches_tell_the_visitors_of_several_days(large: Site) -> None:
    write(large, *(at(MONDAY, 1 + who / 1000, who) for who in range(1, 401)))
    write(large, *(at(MONDAY + DAY, 1 + who / 1000, who) for who in range(201, 601)))
    count(large)
    finish(large)
    seal_all(large)
    found = [bytes(sketch) for (sketch,) in rows("SELECT sketch FROM ingest_daily_total")]
    assert sets.estimate(found) == pytest.approx(600, rel=4 * sets.RELATIVE_ERROR)
    pages = [bytes(sketch) for (sketch,) in rows("SELECT sketch FROM ingest_daily_breakdown WHERE dimension = 'page'")]
    assert sets.estimate(pages) == pytest.approx(600, rel=4 * sets.RELATIVE_ERROR)


def test_few_visitors_are_not_sketched(old: Site) -> None:
    """A sketch of few tells them apart as their numbers do."""
    some_days(old, 2)
    finish(old)
    seal_all(old)
    assert one("SELECT count(*) FROM ingest_daily_total WHERE sketch IS NOT NULL") == 0
    assert one("SELECT count(*) FROM ingest_daily_breakdown WHERE sketch IS NOT NULL") == 0


def test_spans_are_counted_exactly_for_each_value(old: Site) -> None:
    """Visitors of several days once each, and in the order of their number."""
    for number, visitors in enumerate(((1, 2), (2, 3), (2,))):
        write(old, *(at(MONDAY + number * DAY, 9, who, path="/a" if who < 3 else "/b") for who in visitors))
    count(old)
    finish(old)
    seal_all(old)
    pages = (
        "SELECT value, visitors, place FROM ingest_span_count WHERE span = 'week' AND dimension = 'page' ORDER BY place"
    )
    assert rows(pages) == [("/a", 2, 0), ("/b", 1, 1)]
    assert rows(SPANS)[0] == ("year", "2001-01-01", 3)


def test_a_dimension_that_misses_values_of_a_day_has_no_exact_count(old: Site) -> None:
    some_days(old, 2)
    DailyTotal.objects.filter(day=MONDAY).update(capped=["page"], is_final=True)
    finish(old)
    seal_all(old)
    dimensions = {dimension for (dimension,) in rows("SELECT DISTINCT dimension FROM ingest_span_count")}
    assert "page" not in dimensions
    assert {"", "hostname", "channel"} <= dimensions


def test_a_span_that_is_not_over_is_not_counted(old: Site) -> None:
    """With sessions of seven days the week is over when its Monday is sealed, and late events may still come."""
    change(old, events_days=2, sessions_days=7)
    some_days(old, 7)
    finish(old)
    assert seal_all(old, cuts.midnight(MONDAY) + timedelta(days=9, hours=3)) == 1
    assert count_of("span_count") == 0
    assert seal_all(old) == 6
    assert count_of("span_count") == 0  # its Monday's set is gone


def test_a_year_is_waited_for_where_sessions_are_kept_long(old: Site) -> None:
    """Its first day would go a few days after its last, while late events may come."""
    some_days(old, 2)
    finish(old)
    new_year = datetime(2002, 1, 4, 2, tzinfo=UTC)
    due = seal.due(old, cuts.of(old, new_year).sessions, new_year)
    assert (due.days, due.until) == ([], cuts.midnight(MONDAY))
    settled = datetime(2002, 1, 9, 2, tzinfo=UTC)
    assert seal_all(old, settled) == 2
    assert rows(SPANS)[0] == ("year", "2001-01-01", 3)


def test_nobody_waits_for_a_year_that_cannot_be_exact(old: Site) -> None:
    some_days(old, 2)
    finish(old)
    DailyTotal.objects.filter(day=MONDAY).update(is_sealed=True)
    new_year = datetime(2002, 1, 4, 2, tzinfo=UTC)
    assert seal.due(old, cuts.of(old, new_year).sessions, new_year).days == [MONDAY + DAY]


def test_days_that_are_not_final_keep_their_sets(old: Site) -> None:
    some_days(old, 2)
    DailyTotal.objects.filter(day=MONDAY).update(is_final=True)
    assert seal_all(old) == 1
    assert seal.first_unsealed(old, cuts.midnight(date(2002, 1, 1))) == cuts.midnight(MONDAY + DAY)


def test_hours_lose_their_sets_with_their_day(old: Site) -> None:
    change(old, timezone="Asia/Kathmandu")
    some_days(old, 2)
    finish(old)
    seal_all(old)
    assert rows("SELECT count(*), count(members) FROM ingest_hourly_total") == [(2, 0)]


def test_a_second_run_changes_nothing(large: Site) -> None:
    some_days(large, 3)
    finish(large)
    known = KnownSite.of(large)
    days = seal.due(large, cuts.midnight(date(2002, 1, 1)), MUCH_LATER).days
    seal.seal(known, days, MUCH_LATER)
    before = rows("SELECT * FROM ingest_span_count"), rows("SELECT day, sketch FROM ingest_daily_total ORDER BY 1")
    seal.seal(known, days, MUCH_LATER)
    assert before == (
        rows("SELECT * FROM ingest_span_count"),
        rows("SELECT day, sketch FROM ingest_daily_total ORDER BY 1"),
    )


def test_a_run_that_ended_between_two_days_is_gone_on_with(old: Site) -> None:
    """Spans were counted whole before the first day: what is counted then is not counted of the rest."""
    some_days(old, 4)
    finish(old)
    known = KnownSite.of(old)
    days = seal.due(old, cuts.midnight(date(2002, 1, 1)), MUCH_LATER).days
    for span in spans_of(MONDAY):
        seal._count(known, span, MUCH_LATER)
    seal._seal(known, days[0])
    before = rows(SPANS)
    assert seal_all(old) == 3
    assert rows(SPANS) == before


def test_a_span_that_cannot_be_counted_keeps_the_sets_of_its_days(old: Site) -> None:
    some_days(old, 14)
    finish(old)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ingest_span_count ADD CONSTRAINT broken CHECK (first_day <> '2001-01-08')")
    try:
        done = clean(MUCH_LATER)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ingest_span_count DROP CONSTRAINT broken")
    assert done.sealed == 7
    assert done.failed[0].startswith(f"Site {old.pk}, week from 2001-01-08: ")
    assert (
        one("SELECT min(started_at)::date::text FROM ingest_session") == "2001-01-08"
    )  # the others are with their days
    assert clean(MUCH_LATER).sealed == 7
    assert count_of("session") == 0
