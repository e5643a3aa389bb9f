"""From rows of statements to a Result: totals, series or breakdown, each beside its comparison."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from reports.queries import buckets, periods, plan, sql
from reports.queries.metrics import METRICS
from reports.queries.query import Bucket, Figures, Filter, Interval, Meta, Period, Query, Result, Row
from reports.queries.sql import Scope, Statement

Fetch = Callable[[Statement], list[tuple[Any, ...]]]
Key = tuple[str | None, ...]
Asked = dict[Query, Figures]  # totals that are known already


def of(query: Query, fetch: Fetch, known: Asked) -> Result:
    """Answers QUERY, which `plan.check` has passed. KNOWN is read and added to."""
    started = time.perf_counter()
    compared = compared_of(query)
    rows, count = _rows(query, compared, fetch)
    totals = _totals(query, query.period, fetch, known)
    before = _totals(query, compared, fetch, known) if compared else None
    meta = Meta(
        start=query.period.start,
        end=query.period.end,
        zone=query.period.zone.key,
        tables=tuple(dict.fromkeys(plan.TABLES[part.base] for part in plan.plan(query))),
        uniques="exact",
        total_rows=count,
        took_ms=(time.perf_counter() - started) * 1000,
    )
    first = ("time",) if query.interval else query.dimensions
    return Result(query, (*first, *query.metrics), rows, totals, before, compared, meta)


def compared_of(query: Query) -> Period | None:
    if query.comparison is None:
        return None
    return periods.compared(query.period, query.comparison, query.now, match_weekdays=query.match_weekdays)


def _totals(query: Query, period: Period, fetch: Fetch, known: Asked) -> Figures:
    asked = Query(query.site_id, query.metrics, period, query.now, filters=query.filters)
    if asked not in known:
        [part] = plan.plan(asked)
        [row] = fetch(sql.totals(asked, part, Scope(period.start, period.until)))
        known[asked] = dict(zip(part.metrics, row, strict=True))
    return known[asked]


def _rows(query: Query, compared: Period | None, fetch: Fetch) -> tuple[Sequence[Row], int]:
    if query.interval is not None:
        rows = _series(query, query.interval, compared, fetch)
        return rows, len(rows)
    return _breakdown(query, compared, fetch) if query.dimensions else ((), 0)


# --- Breakdown --------------------------------------------------------------------------------------------


def _breakdown(query: Query, compared: Period | None, fetch: Fetch) -> tuple[Sequence[Row], int]:
    found, count = _page(query, query.period, fetch)
    if not found and query.offset:  # beyond the last row: how many there are is still of interest
        _, count = _page(query.with_(offset=0, limit=1), query.period, fetch)
    before = _same_keys(query, compared, list(found), fetch) if compared and found else {}
    empty = _empty(query.metrics) if compared else None
    return [Row(values, key=key, before=before.get(key, empty)) for key, values in found.items()], count


def _page(query: Query, period: Period, fetch: Fetch) -> tuple[dict[Key, Figures], int]:
    [part] = plan.plan(query)
    rows = fetch(sql.breakdown(query, part, Scope(period.start, period.until)))
    width = 1 + len(query.dimensions)
    found: dict[Key, Figures] = {row[1:width]: dict(zip(part.metrics, row[width:], strict=True)) for row in rows}
    return found, rows[0][0] if rows else 0


def _same_keys(query: Query, compared: Period, keys: list[Key], fetch: Fetch) -> dict[Key, Figures]:
    """The same question over the other range, for the keys of this page."""
    columns = zip(query.dimensions, zip(*keys, strict=True), strict=True)
    only = tuple(Filter(name, "is", tuple(dict.fromkeys(values))) for name, values in columns)
    limit = plan.MOST_ROWS if len(query.dimensions) > 1 else query.limit
    found, _ = _page(query.with_(filters=(*query.filters, *only), limit=limit, offset=0), compared, fetch)
    return found


def _empty(metrics: Sequence[str]) -> Figures:
    return {name: METRICS[name].empty for name in metrics}


# --- Series -----------------------------------------------------------------------------------------------


def _series(query: Query, interval: Interval, compared: Period | None, fetch: Fetch) -> list[Row]:
    steps = buckets.buckets(query.period, interval, query.now)
    figures = _by_bucket(query, steps, fetch)
    rows = [
        Row(_not_yet(query) if step.state == "future" else values, bucket=step)
        for step, values in zip(steps, figures, strict=True)
    ]
    return rows if compared is None else _beside(query, interval, rows, compared, fetch)


def _not_yet(query: Query) -> Figures:
    return dict.fromkeys(query.metrics)


def _by_bucket(query: Query, steps: Sequence[Bucket], fetch: Fetch) -> list[dict[str, float | None]]:
    """Figures of each of STEPS, which follow each other without a gap."""
    scope = Scope(steps[0].start, steps[-1].end, [steps[0].start, *(step.end for step in steps)])
    figures = [dict(_empty(query.metrics)) for _ in steps]
    for part in plan.plan(query):
        for number, *values in fetch(sql.series(query, part, scope)):
            figures[number - 1].update(zip(part.metrics, values, strict=True))
    return figures


def _beside(query: Query, interval: Interval, rows: list[Row], compared: Period, fetch: Fetch) -> list[Row]:
    """ROWS with the figures of the buckets that correspond to theirs."""
    steps = buckets.buckets(compared, interval, query.now)
    places = _places(compared, interval, steps)
    figures = dict(zip(places, _by_bucket(query, steps, fetch), strict=True))
    step_at = dict(zip(places, steps, strict=True))
    beside = []
    for row, place in zip(rows, _places(query.period, interval, [_bucket(row) for row in rows]), strict=True):
        guide = figures.get(place)
        before = _like_for_like(query, _bucket(row), step_at.get(place), guide, compared.until, fetch)
        beside.append(replace(row, before=before, guide=guide, before_bucket=step_at.get(place)))
    return beside


def _bucket(row: Row) -> Bucket:
    assert row.bucket is not None  # noqa: S101  rows of a series have one
    return row.bucket


def _like_for_like(
    query: Query, step: Bucket, other: Bucket | None, guide: Figures | None, until: datetime, fetch: Fetch
) -> Figures | None:
    """Of OTHER, the comparison's bucket, what corresponds to STEP: for the running one, until the same moment."""
    if step.state != "running" or other is None:
        return guide if step.state == "complete" else None
    if until <= other.start:
        return _empty(query.metrics)
    return _by_bucket(query, [replace(other, end=min(other.end, until))], fetch)[0]


def _places(period: Period, interval: Interval, steps: Sequence[Bucket]) -> list[tuple[timedelta, int]]:
    """What makes buckets of two periods correspond: the clock's time for hours, so that a day of 23 or 25 of
    them does not shift the rest; else the number."""
    if interval not in ("hour", "4h"):
        return [(timedelta(), number) for number in range(len(steps))]
    begin = period.start.astimezone(period.zone).replace(tzinfo=None)
    locals_ = [step.start.astimezone(period.zone) for step in steps]
    return [(local.replace(tzinfo=None, fold=0) - begin, local.fold) for local in locals_]
