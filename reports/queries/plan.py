"""Which rows answer a question. Pure: no database, no clock.

Three bases. `sessions` are the sessions that touch the range, where events are looked up only for the few that
cross an edge of it. `events` are the events of the range, joined to their sessions where these are asked about.
`starts` are the sessions that began in the range.
"""

from typing import Literal, NamedTuple

from reports.queries import buckets, filters
from reports.queries.dimensions import dimension
from reports.queries.metrics import metric
from reports.queries.query import Query, QueryRefused

Base = Literal["sessions", "events", "starts"]
TABLES: dict[Base, str] = {"sessions": "ingest_session", "events": "ingest_event", "starts": "ingest_session"}
MOST_ROWS, MOST_OFFSET, MOST_DIMENSIONS = 10_000, 10_000_000, 4


class Part(NamedTuple):
    """One statement: these metrics from this base."""

    base: Base
    metrics: tuple[str, ...]


def check(query: Query) -> None:
    """Raises QueryRefused for what cannot be asked."""
    if not query.metrics:
        raise QueryRefused("metrics: is empty. Name at least one.", "metrics")
    for name in query.metrics:
        metric(name)
    for name in query.dimensions:
        dimension(name)
    if len(query.dimensions) > MOST_DIMENSIONS or len(set(query.dimensions)) < len(query.dimensions):
        raise QueryRefused(f"dimensions: must be at most {MOST_DIMENSIONS} different ones.", "dimensions")
    _check_filters(query)
    _check_order(query)
    _check_rows(query)


def _check_filters(query: Query) -> None:
    if len(query.filters) > filters.MOST_FILTERS:
        raise QueryRefused(f"filters: are {len(query.filters)}, must be at most {filters.MOST_FILTERS}.", "filters")
    for told in query.filters:
        filters.check(told)


def _check_order(query: Query) -> None:
    columns = [*query.dimensions, *query.metrics]
    if query.order is not None and query.order.by not in columns:
        raise QueryRefused(
            f"order={query.order.by}: is not a column of the answer. Take {' or '.join(columns)}.", "order", columns
        )


def _check_rows(query: Query) -> None:
    if query.interval is not None:
        buckets.check(query.period, query.interval)
        if query.dimensions:
            raise QueryRefused("dimensions: cannot be asked with an interval. Ask for one of the two.", "dimensions")
    if not 1 <= query.limit <= MOST_ROWS:
        raise QueryRefused(f"limit={query.limit}: must be from 1 to {MOST_ROWS:,}. Ask for more with offset.", "limit")
    if query.offset < 0:
        raise QueryRefused(f"offset={query.offset}: must be 0 or more.", "offset")
    if query.offset > MOST_OFFSET:
        raise QueryRefused(f"offset={query.offset}: must be at most {MOST_OFFSET:,}. Narrow it by a filter.", "offset")


def plan(query: Query) -> tuple[Part, ...]:
    """The statements that answer QUERY; their rows are joined by bucket where there are two."""
    asks_events = any(dimension(name).of == "event" for name in query.dimensions)
    filters_events = any(dimension(told.dimension).of == "event" for told in query.filters)
    by_event = tuple(name for name in query.metrics if metric(name).of == "events")
    by_start = tuple(name for name in query.metrics if metric(name).of == "sessions")
    if query.interval is not None:
        # An event belongs to the bucket of its own time, a session to that of its start.
        parts = Part("events", by_event), Part("starts", by_start)
        return tuple(part for part in parts if part.metrics)
    if asks_events or (filters_events and by_event):
        return (Part("events", query.metrics),)
    return (Part("sessions" if by_event else "starts", query.metrics),)
