"""Data, question, whole answer; then every metric against a recount in Python."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from pytest_django import Settings

from ingest.models import Session
from reports.queries import answer, periods, run
from reports.queries.dimensions import DIMENSIONS
from reports.queries.filters import Values
from reports.queries.metrics import METRICS
from reports.queries.query import Figures, Filter, Order, Query, QueryRefused, QueryTimeout, Result
from reports.queries.sql import Statement
from tests.conftest import no_postgres
from tests.reports import recount
from tests.reports.rows import Hit, Sitting, at, sitting, store

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
NOW = at("2026-11-21 07:41")
EVERY = tuple(METRICS)


def ask(*metrics: str, period: str = "7d", **more: Any) -> Result:
    return run.run(Query(1, metrics, periods.of(period, BERLIN, NOW), NOW, **more))


def rows(result: Result) -> list[tuple[Any, ...]]:
    """Key and figures of every row, in order."""
    return [(*row.key, *(row.values[name] for name in result.query.metrics)) for row in result.rows]


def test_it_works() -> None:
    store(sitting("2026-11-20 10:00", "2026-11-20 10:02"), sitting("2026-11-20 11:00", visitor=2))
    assert ask(*EVERY).totals == {
        "visitors": 2,
        "sessions": 2,
        "pageviews": 3,
        "events": 3,
        "views_per_session": 1.5,
        "bounce_rate": 0.5,
        "session_duration": 60,
        "new_visitors": 0,
    }


def test_nothing_has_counts_of_0_and_rates_of_none() -> None:
    found = ask(*EVERY)
    assert found.totals == {name: METRICS[name].empty for name in EVERY}
    assert (found.columns, list(found.rows)) == (EVERY, [])


def test_a_series_of_nothing_has_every_bucket() -> None:
    found = ask("visitors", "bounce_rate", interval="day")
    assert [row.values for row in found.rows] == [{"visitors": 0, "bounce_rate": None}] * 7


# --- Edges ------------------------------------------------------------------------------------------------


def test_the_start_is_in_and_the_end_is_out() -> None:
    store(*(sitting(moment) for moment in ("2026-11-19 23:00", "2026-11-20 22:59:59", "2026-11-20 23:00")))
    assert ask("sessions", "pageviews", period="yesterday").totals == {"sessions": 2, "pageviews": 2}


def test_a_session_over_midnight_counts_where_it_began_and_its_events_where_they_are() -> None:
    store(sitting("2026-11-20 22:50", "2026-11-20 23:10", "2026-11-20 23:11"))
    metrics = ("visitors", "sessions", "pageviews", "views_per_session", "session_duration")
    assert list(ask(*metrics, period="yesterday").totals.values()) == [1, 1, 1, 3, 1260]
    assert list(ask(*metrics, period="today").totals.values()) == [1, 0, 2, None, None]


def test_a_session_that_spans_the_range_without_an_event_in_it_is_not_there() -> None:
    store(sitting("2026-11-19 22:50", "2026-11-20 23:10"))
    assert ask("visitors", "pageviews", period="yesterday").totals == {"visitors": 0, "pageviews": 0}


def test_a_session_of_weeks_is_found_by_its_events() -> None:
    store(sitting("2026-10-01 12:00", "2026-11-20 12:00", "2026-11-21 01:00"))
    assert ask("visitors", "pageviews", period="yesterday").totals == {"visitors": 1, "pageviews": 1}


def test_signs_of_life_are_no_session_and_no_event() -> None:
    store(Sitting((Hit(at("2026-11-20 12:00"), "engagement"), Hit(at("2026-11-20 12:01"), "web_vital"))))
    assert ask("visitors", "sessions", "events").totals == {"visitors": 0, "sessions": 0, "events": 0}
    assert ask("sessions").totals == {"sessions": 0}
    assert ask("sessions", dimensions=("source",)).rows == []


def test_another_site_is_never_counted() -> None:
    store(sitting("2026-11-20 10:00", site_id=2), sitting("2026-11-20 10:00", path="/ours"))
    assert rows(ask("visitors", "sessions", dimensions=("page",))) == [("/ours", 1, 1)]


def test_a_bounce_lasts_0_seconds_whatever_else_was_seen() -> None:
    store(Sitting((Hit(at("2026-11-20 10:00")), Hit(at("2026-11-20 10:05"), "404"))))
    assert ask("bounce_rate", "session_duration").totals == {"bounce_rate": 1, "session_duration": 0}


def test_a_visitor_of_several_days_counts_once_in_all() -> None:
    store(sitting("2026-11-18 10:00"), sitting("2026-11-19 10:00"), sitting("2026-11-20 10:00"))
    found = ask("visitors", interval="day")
    assert [row.values["visitors"] for row in found.rows] == [0, 0, 0, 1, 1, 1, 0]
    assert found.totals == {"visitors": 1}


# --- Breakdowns -------------------------------------------------------------------------------------------


def sources(*counts: tuple[str | None, int]) -> None:
    """As many visitors as told of each source."""
    store(
        *(
            sitting("2026-11-20 10:00", visitor=1000 * number + visitor, source=source or "")
            for number, (source, visitors) in enumerate(counts)
            for visitor in range(visitors)
        )
    )


def test_the_largest_comes_first_and_what_is_not_set_last() -> None:
    sources(("Bing", 1), (None, 5), ("Google", 3), ("Apple", 1))
    assert rows(ask("visitors", dimensions=("source",))) == [("Google", 3), ("Apple", 1), ("Bing", 1), (None, 5)]


def test_the_order_may_be_the_name() -> None:
    sources(("Bing", 1), ("Google", 3), ("Apple", 2))
    found = ask("visitors", dimensions=("source",), order=Order("source", descending=False))
    assert [key for key, _ in rows(found)] == ["Apple", "Bing", "Google"]


def test_the_order_may_be_any_metric_smallest_first() -> None:
    sources(("Bing", 1), ("Google", 3), ("Apple", 2))
    found = ask("visitors", "sessions", dimensions=("source",), order=Order("sessions", descending=False))
    assert [row[0] for row in rows(found)] == ["Bing", "Apple", "Google"]


def test_pages_of_rows_do_not_overlap_and_know_how_many_there_are() -> None:
    sources(*((f"s{number}", 1) for number in range(5)))
    pages = [ask("visitors", dimensions=("source",), limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [key for page in pages for key, _ in rows(page)] == [f"s{number}" for number in range(5)]
    assert {page.meta.total_rows for page in pages} == {5}


def test_beyond_the_last_row_there_are_none_but_their_number() -> None:
    sources(("Bing", 1))
    found = ask("visitors", dimensions=("source",), offset=10)
    assert (rows(found), found.meta.total_rows) == ([], 1)


def test_a_session_counts_for_each_page_it_touched() -> None:
    hits = (Hit(at("2026-11-20 10:00"), path="/a"), Hit(at("2026-11-20 10:01"), path="/b"))
    store(Sitting(hits), sitting("2026-11-20 10:00", path="/b", visitor=2))
    found = ask("visitors", "sessions", "pageviews", "bounce_rate", dimensions=("page",))
    assert rows(found) == [("/b", 2, 2, 2, 0.5), ("/a", 1, 1, 1, 0)]
    assert found.totals == {"visitors": 2, "sessions": 2, "pageviews": 3, "bounce_rate": 0.5}


def test_two_dimensions_make_pairs() -> None:
    store(
        sitting("2026-11-20 10:00", path="/a", country="DE"),
        sitting("2026-11-20 10:00", path="/a", country="AT", visitor=2),
        sitting("2026-11-20 11:00", path="/a", country="DE", visitor=3),
    )
    assert rows(ask("visitors", dimensions=("page", "country"))) == [("/a", "DE", 2), ("/a", "AT", 1)]


def test_places_and_versions_say_what_they_belong_to() -> None:
    store(
        sitting("2026-11-20 10:00", country="DE", region="BE", city="Berlin", browser="Firefox", browser_version="145")
    )
    asked = [ask("visitors", dimensions=(name,)) for name in ("region", "city", "browser_version", "os_version")]
    assert [found.rows[0].key for found in asked] == [("BE, DE",), ("Berlin, DE",), ("Firefox 145",), (None,)]


# --- Filters ----------------------------------------------------------------------------------------------


def keys(*filters: Filter, dimension: str = "country") -> list[str | None]:
    return [row.key[0] for row in ask("visitors", dimensions=(dimension,), filters=filters).rows]


@pytest.mark.parametrize(
    ("operator", "values", "wanted"),
    [
        ("is", ("DE", "AT"), ["AT", "DE"]),
        ("is", (None,), [None]),
        ("is", ("DE", None), ["DE", None]),
        ("is_not", ("DE",), ["AT", "d%", None]),
        ("is_not", (None, "AT"), ["DE", "d%"]),
        ("contains", ("d",), ["DE", "d%"]),
        ("contains", ("%",), ["d%"]),
        ("contains", ("_",), []),
        ("contains_not", ("E", "t"), ["d%", None]),
    ],
)
def test_a_filter_lets_through(operator: Any, values: tuple[str | None, ...], wanted: list[str | None]) -> None:
    countries = ("AT", "DE", "d%", None)
    store(*(sitting("2026-11-20 10:00", visitor=number, country=name) for number, name in enumerate(countries)))
    assert keys(Filter("country", operator, values)) == wanted


def test_a_value_is_never_taken_as_sql() -> None:
    store(sitting("2026-11-20 10:00", country="DE"))
    assert keys(Filter("country", "is", ("'; DROP TABLE ingest_session; --", "%s", "{site}"))) == []
    assert keys() == ["DE"]


def test_filters_must_all_hold() -> None:
    store(sitting("2026-11-20 10:00", country="DE", os="iOS"), sitting("2026-11-20 10:00", country="DE", visitor=2))
    both = (Filter("country", "is", ("DE",)), Filter("os", "is", ("iOS",)))
    assert ask("visitors", filters=both).totals == {"visitors": 1}


def test_a_page_filter_counts_sessions_that_saw_the_page() -> None:
    hits = (Hit(at("2026-11-20 10:00"), path="/a"), Hit(at("2026-11-20 10:10"), path="/b"))
    store(Sitting(hits), sitting("2026-11-20 10:00", path="/a", visitor=2))
    found = ask("visitors", "sessions", "pageviews", "session_duration", filters=(Filter("page", "is", ("/b",)),))
    assert found.totals == {"visitors": 1, "sessions": 1, "pageviews": 1, "session_duration": 600}


def test_a_sign_of_life_is_no_event_to_filter_by() -> None:
    store(Sitting((Hit(at("2026-11-20 10:00")), Hit(at("2026-11-20 10:01"), "engagement", path="/b"))))
    assert ask("sessions", filters=(Filter("page", "is", ("/b",)),)).totals == {"sessions": 0}


def test_two_filters_on_events_must_hold_for_one_event() -> None:
    store(Sitting((Hit(at("2026-11-20 10:00"), path="/a"), Hit(at("2026-11-20 10:01"), "signup", path="/b"))))
    both = (Filter("page", "is", ("/a",)), Filter("event", "is", ("signup",)))
    assert ask("visitors", "sessions", filters=both).totals == {"visitors": 0, "sessions": 0}


# --- Comparison -------------------------------------------------------------------------------------------


def test_today_is_compared_with_yesterday_until_now() -> None:
    store(
        sitting("2026-11-21 06:00"),
        sitting("2026-11-20 06:00"),
        sitting("2026-11-20 07:40"),
        sitting("2026-11-20 07:42"),
    )
    found = ask("sessions", period="today", comparison="previous")
    assert (found.totals, found.totals_before) == ({"sessions": 1}, {"sessions": 2})


def test_without_a_comparison_there_is_nothing_before() -> None:
    found = ask("visitors", interval="day")
    assert (found.totals_before, found.compared) == (None, None)
    assert {(row.before, row.guide, row.before_bucket) for row in found.rows} == {(None, None, None)}


def test_rows_are_compared_by_key() -> None:
    store(
        sitting("2026-11-20 10:00", source="New"),
        sitting("2026-11-20 10:00", source="Old", visitor=2),
        *(sitting("2026-11-13 10:00", source="Old", visitor=number) for number in (3, 4)),
        sitting("2026-11-13 10:00", source="Gone", visitor=5),
    )
    found = ask("visitors", "bounce_rate", dimensions=("source",), comparison="previous")
    assert [(row.key, row.before) for row in found.rows] == [
        (("New",), {"visitors": 0, "bounce_rate": None}),
        (("Old",), {"visitors": 2, "bounce_rate": 1}),
    ]


def test_rows_of_a_later_page_are_compared_too() -> None:
    store(
        *(sitting("2026-11-20 10:00", source="Much", visitor=number) for number in (1, 2)),
        sitting("2026-11-20 10:00", source="Less", visitor=3),
        sitting("2026-11-13 10:00", source="Less", visitor=4),
    )
    [row] = ask("visitors", dimensions=("source",), comparison="previous", offset=1).rows
    assert (row.key, row.before) == (("Less",), {"visitors": 1})


def test_pairs_are_compared_pair_by_pair() -> None:
    """Pairs that only the range before had must not take the place of those that are asked for."""
    pairs = [("DE", "iOS"), ("AT", "Linux")]
    crossed = [("DE", "Linux"), ("DE", "Linux"), ("AT", "iOS"), ("AT", "iOS")]
    store(
        *(sitting("2026-11-20 10:00", country=country, os=os) for country, os in pairs),
        *(sitting("2026-11-13 10:00", country=country, os=os) for country, os in [*pairs, *crossed]),
    )
    found = ask("sessions", dimensions=("country", "os"), comparison="previous", limit=2)
    assert [row.before for row in found.rows] == [{"sessions": 1}] * 2


def test_rows_of_what_is_not_set_are_compared_too() -> None:
    store(sitting("2026-11-20 10:00"), sitting("2026-11-13 10:00"))
    [row] = ask("visitors", dimensions=("country",), comparison="previous").rows
    assert (row.key, row.before) == ((None,), {"visitors": 1})


def test_the_running_hour_is_compared_like_for_like_and_guided_by_the_whole() -> None:
    store(sitting("2026-11-20 07:10"), sitting("2026-11-20 07:50", visitor=2), sitting("2026-11-20 09:00", visitor=3))
    found = ask("sessions", period="today", interval="hour", comparison="previous")
    running, later = found.rows[8], found.rows[10]
    assert (running.values, running.before, running.guide) == ({"sessions": 0}, {"sessions": 1}, {"sessions": 2})
    assert (later.values, later.before, later.guide) == ({"sessions": None}, None, {"sessions": 1})


def test_at_the_start_of_a_bucket_there_is_nothing_before_yet() -> None:
    now = at("2026-11-21 07:00")
    store(sitting("2026-11-20 07:00"))
    asked = Query(1, ("visitors",), periods.of("today", BERLIN, now), now, interval="hour", comparison="previous")
    running = run.run(asked).rows[8]
    assert (running.before, running.guide) == ({"visitors": 0}, {"visitors": 1})


def test_hours_are_compared_by_the_clock_when_a_day_has_25() -> None:
    now = at("2026-10-26 12:00")
    store(sitting("2026-10-25 09:30"))  # 10:30 in Berlin, the eleventh hour of a day that had two from two to three
    asked = Query(1, ("visitors",), periods.of("today", BERLIN, now), now, interval="hour", comparison="previous")
    assert [row.guide for row in run.run(asked).rows][10] == {"visitors": 1}


def test_the_hour_that_comes_twice_is_compared_once() -> None:
    store(sitting("2026-10-24 00:30"))  # 02:30 in Berlin, the day before the hour from two to three came twice
    period = periods.custom(date(2026, 10, 25), date(2026, 10, 25), BERLIN, NOW)
    found = run.run(Query(1, ("visitors",), period, NOW, interval="hour", comparison="previous"))
    assert [row.guide for row in found.rows][2:4] == [{"visitors": 1}, None]


def test_a_comparison_with_fewer_buckets_leaves_the_last_ones_alone() -> None:
    now = at("2026-03-31 12:00")
    asked = Query(
        1, ("visitors",), periods.of("month", BERLIN, now), now, interval="day", comparison="previous",
        match_weekdays=False,
    )  # fmt: skip
    befores = [row.before_bucket is None for row in run.run(asked).rows]
    assert befores == [False] * 28 + [True] * 3


def test_a_whole_month_is_compared_with_a_whole_month() -> None:
    store(sitting("2026-10-31 22:00"), sitting("2026-09-01 00:00"), sitting("2026-08-31 21:00"))
    found = ask("sessions", period="last_month", comparison="previous")
    assert (found.totals, found.totals_before) == ({"sessions": 1}, {"sessions": 1})


def test_the_year_before_is_the_calendars() -> None:
    store(sitting("2025-11-21 07:00"), sitting("2025-11-21 08:00"), sitting("2025-11-20 07:00"))
    found = ask("sessions", period="today", comparison="year")
    assert found.totals_before == {"sessions": 1}


def test_the_last_24_hours_are_24_buckets_and_so_are_those_before() -> None:
    store(sitting("2026-11-20 08:00"), sitting("2026-11-20 07:59"))
    found = ask("sessions", period="24h", interval="hour", comparison="previous")
    assert (len(found.rows), found.rows[0].values) == (24, {"sessions": 1})
    assert (found.rows[-1].before, found.rows[-1].guide) == ({"sessions": 0}, {"sessions": 1})


def test_all_time_has_no_comparison() -> None:
    found = ask("visitors", period="all", comparison="previous", interval="hour")
    assert (found.compared, found.totals_before, found.rows[0].before) == (None, None, None)


def test_a_bucket_knows_the_one_it_is_compared_with() -> None:
    found = ask("visitors", interval="day", comparison="previous")
    for row in found.rows:
        assert row.bucket is not None
        assert row.before_bucket is not None
        assert row.bucket.start - row.before_bucket.start == timedelta(days=7)


# --- Against a recount ------------------------------------------------------------------------------------

PATHS = st.sampled_from(["/", "/a", "/b", None, ""])
NAMES = st.sampled_from(["pageview", "pageview", "pageview", "signup", "engagement", "404", "web_vital"])
HOSTS = st.sampled_from(["shop.example.com", "www.example.com", None])
# Every column that a dimension reads, so that each of them has several values and none.
SAID = st.fixed_dictionaries(
    {
        name: st.sampled_from(["x", "Y", "", *([] if name in {"source", "channel"} else [None])])
        for name in (
            "source", "channel", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term",
            "utm_content", "country", "region", "city", "device", "browser", "browser_version", "os", "os_version",
            "screen", "language",
        )
    }
)  # fmt: skip
# From two days before yesterday to its morning after, dense around both of its midnights.
START, END = at("2026-11-19 23:00"), at("2026-11-20 23:00")
OFFSETS = st.sampled_from([0, 0, 1, 60, 1800, 3599, 3600, 7200, 40_000, 86_399, 86_400, 172_800])
MOMENTS = st.builds(
    lambda edge, off, back: edge + timedelta(seconds=-off if back else off),
    st.sampled_from([START, END]), OFFSETS, st.booleans(),
)  # fmt: skip
SITTINGS = st.lists(
    st.builds(
        Sitting,
        st.lists(st.builds(Hit, MOMENTS, NAMES, PATHS, HOSTS), min_size=1, max_size=5).map(tuple),
        visitor=st.integers(1, 4),
        is_new=st.booleans(),
        said=SAID,
    ),
    max_size=8,
)
FILTERS = st.lists(
    st.builds(
        Filter,
        st.sampled_from(["page", "event", "hostname", "source", "country", "city", "entry_page"]),
        st.sampled_from(["is", "is_not", "contains", "contains_not"]),
        st.lists(st.sampled_from(["/", "/a", "x", "y", "pageview", "shop", None]), min_size=1, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored_anew(sittings: Sequence[Sitting]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    Session.objects.all().delete()
    store(*sittings)


def asked(metrics: Sequence[str] = EVERY, period: str = "yesterday", **more: Any) -> Result:
    return run.run(Query(1, tuple(metrics), periods.of(period, BERLIN, NOW), NOW, **more))


def close(figures: Figures) -> Any:
    return pytest.approx(figures, abs=1e-9)


@examples
@given(SITTINGS, FILTERS)
def test_totals_are_those_of_a_recount(sittings: list[Sitting], filters: tuple[Filter, ...]) -> None:
    stored_anew(sittings)
    assert asked(filters=filters).totals == close(recount.figures(sittings, START, END, filters))


@examples
@given(SITTINGS, FILTERS, st.sampled_from(EVERY))
def test_a_metric_is_the_same_alone(sittings: list[Sitting], filters: tuple[Filter, ...], name: str) -> None:
    """Another base may answer it."""
    stored_anew(sittings)
    wanted = recount.figures(sittings, START, END, filters)[name]
    assert asked([name], filters=filters).totals == close({name: wanted})


@pytest.mark.parametrize("dimension", list(DIMENSIONS))
@settings(examples, max_examples=8)
@given(sittings=SITTINGS, filters=FILTERS)
def test_a_breakdown_is_that_of_a_recount(dimension: str, sittings: list[Sitting], filters: tuple[Filter, ...]) -> None:
    stored_anew(sittings)
    found = asked(dimensions=(dimension,), filters=filters)
    assert len({row.key for row in found.rows}) == len(found.rows)
    wanted = {
        value: recount.figures(sittings, START, END, (*filters, Filter(dimension, "is", (value,))))
        for value in recount.values(sittings, dimension, START, END)
    }
    assert {row.key[0]: row.values for row in found.rows} == {
        value: close(figures) for value, figures in wanted.items() if figures["events"]
    }


@examples
@given(SITTINGS, FILTERS, st.sampled_from(["hour", "day"]))
def test_a_series_is_that_of_a_recount(sittings: list[Sitting], filters: tuple[Filter, ...], interval: Any) -> None:
    stored_anew(sittings)
    found = asked(period="7d", interval=interval, filters=filters)
    whole = (found.meta.start, found.meta.end)
    for row in found.rows:
        assert row.bucket is not None
        if row.bucket.state != "future":
            wanted = recount.figures(sittings, row.bucket.start, row.bucket.end, filters, within=whole)
            assert row.values == close(wanted)


# --- How it is asked --------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_their_questions() -> None:
    store(sitting("2026-11-20 10:00", "2026-11-20 10:01"))
    period = periods.of("7d", BERLIN, NOW)
    found = run.run_all([Query(1, (name,), period, NOW) for name in ("pageviews", "sessions", "pageviews")])
    assert [one.totals for one in found if isinstance(one, Result)] == [
        {"pageviews": 2},
        {"sessions": 1},
        {"pageviews": 2},
    ]


def test_columns_are_named_in_order() -> None:
    assert ask("visitors", dimensions=("page", "country")).columns == ("page", "country", "visitors")
    assert ask("visitors", "events", interval="day").columns == ("time", "visitors", "events")


def test_nothing_can_be_written_while_reading() -> None:
    with run.reading() as conn, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        conn.execute("DELETE FROM ingest_session")


def test_reading_leaves_no_setting_behind() -> None:
    ask("visitors")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')")
        assert cursor.fetchone() == ("0", "off")


@pytest.mark.django_db(transaction=True)
def test_all_questions_see_the_same_moment(another: psycopg.Connection) -> None:
    with run.reading() as conn:
        count = "SELECT count(*) FROM ingest_dirty_hour"
        before = conn.execute(count).fetchall()
        another.execute("INSERT INTO ingest_dirty_hour (site_id, hour) VALUES (1, now())")
        assert conn.execute(count).fetchall() == before


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_given_up_and_said(another: psycopg.Connection, settings: Settings) -> None:
    settings.REPORTS_QUERY_SECONDS = 0.2
    with another.transaction():
        another.execute("LOCK TABLE ingest_session")
        with pytest.raises(QueryTimeout, match=r"This took longer than 0.2 s\. Ask for a shorter range"):
            ask("visitors")
    assert ask("visitors").totals == {"visitors": 0}


def test_the_statements_of_a_question_share_its_time() -> None:
    nap = Statement(sql.Composed([sql.SQL("SELECT pg_sleep(0.2)")]), Values())
    with run.reading() as conn:
        clock = run.Clock(conn, 0.3)
        clock.fetch(nap)
        with pytest.raises(psycopg.errors.QueryCanceled):
            clock.fetch(nap)


@pytest.mark.django_db(transaction=True)
def test_one_slow_question_costs_no_other_one(another: psycopg.Connection, settings: Settings) -> None:
    settings.REPORTS_QUERY_SECONDS = 0.2
    period = periods.of("7d", BERLIN, NOW)
    queries = [
        Query(1, ("visitors",), period, NOW),
        Query(1, ("pageviews",), period, NOW, filters=(Filter("page", "is", ("/",)),)),
    ]
    with another.transaction():
        another.execute("LOCK TABLE ingest_session")
        slow, quick = run.run_all(queries)
    assert isinstance(slow, QueryTimeout)
    assert isinstance(quick, Result)
    assert quick.totals == {"pageviews": 0}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_an_error_of_django() -> None:
    with no_postgres(), pytest.raises(DatabaseError):
        ask("visitors")
    assert ask("visitors").totals == {"visitors": 0}


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_ended_is_made_anew(another: psycopg.Connection) -> None:
    with run.reading() as conn:
        pid = conn.info.backend_pid
    another.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(DatabaseError):
        ask("visitors")
    assert ask("visitors").totals == {"visitors": 0}


def test_questions_of_one_page_share_their_totals() -> None:
    statements: list[Any] = []

    def fetch(statement: Any) -> list[tuple[Any, ...]]:
        statements.append(statement)
        return [(1,)] if 'GROUP BY "k0"' not in statement.text.as_string() else []

    period = periods.of("7d", BERLIN, NOW)
    known: answer.Asked = {}
    for name in ("source", "country"):
        answer.of(Query(1, ("visitors",), period, NOW, dimensions=(name,)), fetch, known)
    assert len(statements) == 3


def test_a_wrong_question_is_refused_before_any_is_asked() -> None:
    period = periods.of("7d", BERLIN, NOW)
    with pytest.raises(QueryRefused, match="metrics=visits: is not a metric"):
        run.run_all([Query(1, ("visitors",), period, NOW), Query(1, ("visits",), period, NOW)])


def test_the_answer_says_what_it_rests_on() -> None:
    meta = ask("visitors", "bounce_rate", interval="day").meta
    assert (meta.zone, meta.tables, meta.uniques) == ("Europe/Berlin", ("ingest_event", "ingest_session"), "exact")
    assert (meta.start, meta.end, meta.total_rows) == (at("2026-11-14 23:00"), at("2026-11-21 23:00"), 7)
    assert meta.took_ms > 0
