"""Statements as text: which tables are read, and that every one is bound to its site."""

import re

import pytest

from reports.queries import sql
from reports.queries.dimensions import DIMENSIONS
from reports.queries.metrics import METRICS
from reports.queries.plan import plan
from reports.queries.query import Filter, Interval, Query
from reports.queries.sql import UNCOUNTED, Scope, Statement
from tests.reports.queries.test_periods import NOW, preset

PERIOD = preset("7d")
SCOPE = Scope(PERIOD.start, PERIOD.until, [PERIOD.start, PERIOD.until])
SITE = 77
FILTERS = ((), (Filter("page", "is", ("/",)),), (Filter("country", "is", ("DE",)),))


def statements(query: Query) -> list[Statement]:
    build = sql.series if query.interval else sql.breakdown if query.dimensions else sql.totals
    return [build(query, part, SCOPE) for part in plan(query)]


def question(*metrics: str, by: str = "", interval: Interval | None = None, filters: tuple[Filter, ...] = ()) -> Query:
    dimensions = (by,) if by else ()
    return Query(SITE, metrics, PERIOD, NOW, dimensions=dimensions, interval=interval, filters=filters)


def text(query: Query) -> str:
    [statement] = statements(query)
    return " ".join(statement.text.as_string().split())


def test_it_works() -> None:
    assert text(question("sessions")).startswith('SELECT coalesce(sum(sessions), 0)::bigint AS "sessions" FROM')


def unbound(statement: Statement) -> list[str]:
    """Aliases of tables that are read without their site."""
    told = statement.text.as_string()
    [site] = [name for name, value in statement.values.items() if value == SITE]
    tables = re.findall(r"(?:FROM|JOIN) ingest_\w+ (\w)\b", told)
    assert tables
    for bound in re.findall(rf"(\w)\.site_id = (?:%\({site}\)s|e\.site_id)", told):
        tables.remove(bound)
    return tables


@pytest.mark.parametrize("by", DIMENSIONS)
@pytest.mark.parametrize("filters", FILTERS)
def test_every_table_of_a_breakdown_is_bound_to_the_site(by: str, filters: tuple[Filter, ...]) -> None:
    for name in METRICS:
        assert [unbound(one) for one in statements(question(name, by=by, filters=filters))] == [[]]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("filters", FILTERS)
def test_every_table_of_totals_and_series_is_bound_to_the_site(name: str, filters: tuple[Filter, ...]) -> None:
    for query in (question(name, filters=filters), question(name, interval="day", filters=filters)):
        assert [unbound(one) for one in statements(query)] == [[]]


@pytest.mark.parametrize("by", ["source", "country", "entry_page"])
def test_a_breakdown_of_sessions_reads_events_only_at_the_edges(by: str) -> None:
    told = text(question("visitors", "bounce_rate", by=by))
    whole, crossing = told.split("UNION ALL")
    assert "ingest_event" not in whole
    assert "LATERAL" in crossing


def test_sessions_alone_never_read_events() -> None:
    assert "ingest_event" not in text(question("sessions", "bounce_rate", "session_duration", by="source"))


def test_pages_alone_never_read_sessions() -> None:
    assert "ingest_session" not in text(question("visitors", "pageviews", by="page"))


def test_sums_that_no_metric_needs_are_not_made() -> None:
    told = text(question("visitors"))
    assert "sum(" not in told
    assert "FILTER (WHERE is_started)" not in told


def test_what_the_writer_does_not_count_is_left_out() -> None:
    [statement] = statements(question("events", by="page"))
    assert UNCOUNTED in statement.values.values()
    assert set(UNCOUNTED) == {"engagement", "identify", "web_vital"}


@pytest.mark.parametrize("name", DIMENSIONS)
def test_pages_of_a_breakdown_are_ordered_to_the_last_row(name: str) -> None:
    told = text(question("visitors", by=name))
    assert told.split("ORDER BY ")[1].startswith('"k0" IS NULL, "visitors" DESC NULLS LAST, "k0" COLLATE "C" LIMIT')
