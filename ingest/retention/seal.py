"""Days whose sessions expire: their sets of visitors become counts and sketches, by which nobody can be followed.

Before the first day of a week, a month or a year loses its sets, the exact visitors of that span are counted from
them: a union over days is not to be had afterwards.
"""

import heapq
import itertools
import logging
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

import psycopg
from pyroaring import BitMap

from ingest.clock import DAY, months_later
from ingest.models import Site
from ingest.retention import closing
from ingest.rollups import sets
from ingest.rollups.buckets import day_of
from ingest.rollups.recount import MOST_VALUES
from ingest.sites import KnownSite
from ingest.store import copying
from ingest.writer import connected

log = logging.getLogger(__name__)
TOTAL = ""  # the dimension of the count over all
SETTLED = timedelta(days=8)  # after this long no live event changes a day
PATIENT_DAYS = 80  # who keeps sessions that long can wait for a span to settle: a tenth of it at most

UNSEALED = """
SELECT day, starts_at, is_final FROM ingest_daily_total
WHERE site_id = %s AND starts_at < %s AND NOT is_sealed ORDER BY day
"""
HAS_SEALED = """
SELECT EXISTS (SELECT FROM ingest_daily_total WHERE site_id = %s AND day >= %s AND day <= %s AND is_sealed)
"""
KEEP_OUT = "SELECT FROM ingest_daily_total WHERE site_id = %s AND day = %s AND NOT is_sealed FOR UPDATE"
SEAL_TOTAL = """
UPDATE ingest_daily_total SET is_sealed = true, members = NULL, sketch = %s WHERE site_id = %s AND day = %s
"""
TOTAL_SET = "SELECT members FROM ingest_daily_total WHERE site_id = %s AND day = %s"
SEAL_HOURS = """
UPDATE ingest_hourly_total h SET members = NULL FROM ingest_daily_total d
WHERE d.site_id = %(site)s AND d.day = %(day)s
AND h.site_id = d.site_id AND h.hour >= d.starts_at AND h.hour < d.ends_at AND h.members IS NOT NULL
"""
LARGE = """
SELECT dimension, place, members FROM ingest_daily_breakdown
WHERE site_id = %s AND day = %s AND visitors >= %s AND members IS NOT NULL ORDER BY dimension
"""
SKETCH = """
UPDATE ingest_daily_breakdown b SET sketch = given.sketch
FROM unnest(%s::text[], %s::int[], %s::bytea[]) AS given(dimension, place, sketch)
WHERE b.site_id = %s AND b.day = %s AND b.dimension = given.dimension AND b.place = given.place
"""
FORGET = "UPDATE ingest_daily_breakdown SET members = NULL WHERE site_id = %s AND day = %s AND members IS NOT NULL"
AT_A_TIME, SETS_AT_A_TIME = 500, 50  # sketches; a set of a million visitors takes 1.3 MB

COUNTED = "SELECT EXISTS (SELECT FROM ingest_span_count WHERE site_id = %s AND span = %s AND first_day = %s)"
DAYS = "SELECT day, is_sealed, capped FROM ingest_daily_total WHERE site_id = %s AND day >= %s AND day <= %s"
TOTALS = "SELECT '', members FROM ingest_daily_total WHERE site_id = %s AND day >= %s AND day <= %s"
DIMENSIONS = """
SELECT DISTINCT dimension FROM ingest_daily_breakdown WHERE site_id = %s AND day >= %s AND day <= %s ORDER BY 1
"""
SETS = """
SELECT value, members FROM ingest_daily_breakdown
WHERE site_id = %s AND day >= %s AND day <= %s AND dimension = %s ORDER BY value
"""
SPAN_COLUMNS = ("site_id", "span", "first_day", "dimension", "place", "value", "visitors")


class Span(NamedTuple):
    """A week, month or year of the site's days; `last` belongs to it."""

    name: str
    first: date
    last: date


def spans_of(day: date) -> tuple[Span, Span, Span]:
    """Those that the day lies in; weeks are of ISO 8601."""
    monday = day - timedelta(days=day.weekday())
    month, year = day.replace(day=1), day.replace(month=1, day=1)
    return (
        Span("week", monday, monday + 6 * DAY),
        Span("month", month, months_later(month, 1) - DAY),
        Span("year", year, date(day.year, 12, 31)),
    )


class Due(NamedTuple):
    """`days` may lose their sets now. Sessions before `until` may go once they have."""

    days: list[date]
    until: datetime


def due(site: Site, cut: datetime, now: datetime) -> Due:
    """Of the days that begin before the cut and have their sets.

    A day waits while it is not final, and, at a site that keeps sessions long, for up to eight days while one of its
    spans is over and may still change: with sessions of 365 days the year would otherwise never be exact.
    """
    days, until = [], cut
    for day, starts_at, is_final in connected().execute(UNSEALED, (site.pk, cut)).fetchall():
        if waits(site, day, now):
            until = min(until, starts_at)
        elif is_final:
            days.append(day)
    return Due(days, until)


def waits(site: Site, day: date, now: datetime) -> bool:
    return site.sessions_days >= PATIENT_DAYS and any(_is_settling(site, span, now) for span in spans_of(day))


def _is_settling(site: Site, span: Span, now: datetime) -> bool:
    """Not a span that has lost a set already: it is never counted."""
    if not now - SETTLED < day_of(site.zone, span.last + DAY).start <= now:
        return False
    [has_sealed] = connected().execute(HAS_SEALED, (site.pk, span.first, span.last)).fetchone() or [False]
    return not has_sealed


def seal(known: KnownSite, days: list[date], now: datetime, since: date | None = None) -> closing.Closed:
    """First the spans that lose a day, each in a transaction of its own, then the days, each in one of its own.

    Raises what ends the connection. One that fails keeps no other from it, but a day whose span could not be counted
    keeps its sets until the next run. Spans that lie before SINCE are not counted: their aggregates go, too.
    """
    failed: dict[Span, str] = {}
    for span in dict.fromkeys(span for day in days for span in spans_of(day) if since is None or span.last >= since):
        try:
            _count(known, span, now)
        except Exception as error:
            if connected().closed:
                raise
            log.exception("Site %d, the %s from %s could not be counted.", known.id, span.name, span.first)
            failed[span] = f"Site {known.id}, {span.name} from {span.first}: {str(error).strip()}"
    ready = [day for day in days if not failed.keys() & set(spans_of(day))]
    for day in ready:
        _seal(known, day)
    return closing.Closed(len(ready), list(failed.values()))


def first_unsealed(site: Site, cut: datetime) -> datetime:
    """The start of the earliest day that still has its sets, or the cut: sessions before it may go."""
    return min((starts_at for _, starts_at, _ in connected().execute(UNSEALED, (site.pk, cut)).fetchall()), default=cut)


# --- Days -------------------------------------------------------------------------------------------------


def _seal(known: KnownSite, day: date) -> None:
    conn = connected()
    with conn.transaction():
        if conn.execute(KEEP_OUT, (known.id, day)).fetchone() is None:
            return  # another run was quicker
        [members] = conn.execute(TOTAL_SET, (known.id, day)).fetchone() or [None]
        conn.execute(SEAL_HOURS, {"site": known.id, "day": day})
        conn.execute(SEAL_TOTAL, (members and sets.sketched(members), known.id, day))
        for some in _batches(_sketches(conn, known, day)):
            conn.execute(SKETCH, (*map(list, zip(*some, strict=True)), known.id, day))
        conn.execute(FORGET, (known.id, day))


def _sketches(conn: psycopg.Connection, known: KnownSite, day: date) -> Iterator[tuple[str, int, bytes | None]]:
    """Of values that are large enough; the cursor holds one batch of their sets at a time."""
    with psycopg.ServerCursor(conn, "large_sets") as cursor:
        cursor.itersize = AT_A_TIME
        cursor.execute(LARGE, (known.id, day, sets.FEWEST))
        for dimension, place, members in cursor:
            yield dimension, place, sets.sketched(members)


def _batches(items: Iterable[tuple[str, int, bytes | None]]) -> Iterator[list[tuple[str, int, bytes | None]]]:
    iterator = iter(items)
    while some := list(itertools.islice(iterator, AT_A_TIME)):
        yield some


# --- Spans ------------------------------------------------------------------------------------------------


def _count(known: KnownSite, span: Span, now: datetime) -> None:
    """Nothing when it was counted before, or cannot be exact any more or yet."""
    conn = connected()
    with conn.transaction():
        capped = _capped(conn, known, span, now)
        if capped is None:
            return
        _put(conn, known, span, TOTAL, _visitors(conn, TOTALS, (known.id, *span[1:])))
        for (dimension,) in conn.execute(DIMENSIONS, (known.id, *span[1:])).fetchall():
            if dimension not in capped:
                _put(conn, known, span, dimension, _visitors(conn, SETS, (known.id, *span[1:], dimension)))


def _capped(conn: psycopg.Connection, known: KnownSite, span: Span, now: datetime) -> set[str] | None:
    """Dimensions that miss values on one of the days. None when the span is not to be counted at all."""
    [is_counted] = conn.execute(COUNTED, (known.id, span.name, span.first)).fetchone() or [False]
    if is_counted or day_of(known.zone, span.last + DAY).start > now - SETTLED:
        return None
    days = conn.execute(DAYS, (known.id, span.first, span.last)).fetchall()
    if any(is_sealed for _, is_sealed, _ in days):
        return None
    return {dimension for *_, capped in days for dimension in capped}


def _visitors(conn: psycopg.Connection, query: str, values: tuple[object, ...]) -> Iterator[tuple[int, str]]:
    """How many different visitors each value had."""
    with psycopg.ServerCursor(conn, "sets_of_span") as cursor:
        cursor.itersize = SETS_AT_A_TIME
        cursor.execute(query, values)
        for value, found in itertools.groupby(cursor, key=lambda row: row[0]):
            yield len(_union(members for _, members in found)), value


def _union(found: Iterable[bytes]) -> BitMap:
    """One after the other: a large site's sets of a year would fill the memory."""
    whole = BitMap()
    for members in found:
        whole |= sets.loaded(members)
    return whole


def _put(
    conn: psycopg.Connection, known: KnownSite, span: Span, dimension: str, counts: Iterable[tuple[int, str]]
) -> None:
    largest = heapq.nsmallest(MOST_VALUES, counts, key=lambda found: (-found[0], found[1]))
    lines = [
        copying.line((known.id, span.name, span.first, dimension, place, value, visitors))
        for place, (visitors, value) in enumerate(largest)
    ]
    copying.rows(conn, copying.into("ingest_span_count", SPAN_COLUMNS), lines)
