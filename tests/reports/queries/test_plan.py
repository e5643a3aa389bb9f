"""Which rows answer which question."""

import pytest

from reports.queries.plan import Part, plan
from reports.queries.query import Filter, Interval, Query
from tests.reports.queries.test_periods import NOW, preset

PAGE, COUNTRY = Filter("page", "is", ("/",)), Filter("country", "is", ("DE",))


def parts(
    *metrics: str, by: str = "", interval: Interval | None = None, filters: tuple[Filter, ...] = ()
) -> tuple[Part, ...]:
    dimensions = (by,) if by else ()
    return plan(Query(1, metrics, preset("7d"), NOW, dimensions=dimensions, interval=interval, filters=filters))


def test_it_works() -> None:
    assert parts("visitors", "bounce_rate") == (Part("sessions", ("visitors", "bounce_rate")),)


@pytest.mark.parametrize("metric", ["visitors", "pageviews", "events"])
def test_what_happens_in_sessions_needs_no_scan_of_events(metric: str) -> None:
    assert parts(metric, by="source", filters=(COUNTRY,)) == (Part("sessions", (metric,)),)


@pytest.mark.parametrize("metric", ["sessions", "bounce_rate", "session_duration", "new_visitors"])
def test_what_belongs_to_the_start_asks_for_starts(metric: str) -> None:
    assert parts(metric, by="source", filters=(PAGE,)) == (Part("starts", (metric,)),)


@pytest.mark.parametrize("dimension", ["page", "event", "hostname"])
def test_a_breakdown_by_what_an_event_has_asks_for_events(dimension: str) -> None:
    assert parts("visitors", "sessions", by=dimension) == (Part("events", ("visitors", "sessions")),)


def test_a_filter_on_events_asks_for_events() -> None:
    assert parts("visitors", by="country", filters=(PAGE,)) == (Part("events", ("visitors",)),)


def test_a_series_asks_each_metric_where_it_happens() -> None:
    assert parts("visitors", "sessions", "pageviews", interval="day") == (
        Part("events", ("visitors", "pageviews")),
        Part("starts", ("sessions",)),
    )


def test_a_series_of_one_metric_is_one_statement() -> None:
    assert parts("sessions", interval="day") == (Part("starts", ("sessions",)),)
