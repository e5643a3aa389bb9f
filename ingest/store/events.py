"""`ingest_event`: which events are stored already, and COPY of those that are not."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from ingest.enrich import source
from ingest.sessions import Placed, SessionRow

Id = tuple[int, UUID]  # site, event

COLUMNS = (
    "site_id", "id", "ts", "sent_ts", "session_id", "visitor_id", "name", "category", "label", "hostname",
    "path", "query", "title", "referrer", "properties", "value", "currency", "user_id", "engaged_ms",
    "scroll", "batch_id", "correlation_id", "received_at", "processed_at",
)  # fmt: skip

# A repeat carries the same time, give or take a clock that was corrected by up to this much.
NEAR = timedelta(minutes=15)
FAR_BACK, FAR_AHEAD = timedelta(days=8), timedelta(days=1)


def has_own_time(item: Placed) -> bool:
    """Whether a repeat of the event would carry the same time. One without a time, or with a corrected one,
    may have been stored on any day that is accepted."""
    return item.batch.is_import or (item.event.is_timed and item.event.sent_ts is None)


FIND = """
SELECT e.site_id, e.id FROM ingest_event e
JOIN unnest(%(sites)s::bigint[], %(ids)s::uuid[]) AS sought(site_id, id)
  ON e.site_id = sought.site_id AND e.id = sought.id
WHERE e.ts >= %(start)s AND e.ts <= %(end)s
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(sought, 0)) FROM unnest(%s::text[]) AS sought"


def stored(conn: psycopg.Connection, items: list[Placed], *, everywhere: bool) -> set[Id]:
    """Those of ITEMS that the table has.

    One query for the events with times of their own; one for the others, and for all EVERYWHERE, which look
    through every day that is accepted and are locked by id meanwhile: two writers must not both find nothing.
    """
    near = [item for item in items if has_own_time(item) and not everywhere]
    far = [item for item in items if everywhere or not has_own_time(item)]
    if far:
        conn.execute(LOCK, (sorted(f"{item.site.id}:{item.event.id}" for item in far),))
    found = _find(conn, near, [item.ts - NEAR for item in near], [item.ts + NEAR for item in near])
    spans = [_accepted(item) for item in far]
    return found | _find(conn, far, [start for start, _ in spans], [end for _, end in spans])


def _accepted(item: Placed) -> tuple[datetime, datetime]:
    """From when to when an event that arrived with this one's batch may lie; around its own time if imported."""
    if item.batch.is_import:
        return item.ts - FAR_BACK, item.ts + FAR_BACK
    arrived = datetime.fromtimestamp(item.batch.received_at, UTC)
    return min(arrived - FAR_BACK, item.ts), arrived + FAR_AHEAD


def _find(conn: psycopg.Connection, items: list[Placed], starts: list[datetime], ends: list[datetime]) -> set[Id]:
    if not items:
        return set()
    values = {
        "sites": [item.site.id for item in items],
        "ids": [item.event.id for item in items],
        # Whole days: whatever a partition's unique index would refuse is found here.
        "start": datetime.combine(min(starts), time.min, UTC),
        "end": datetime.combine(max(ends), time.max, UTC),
    }
    return set(conn.execute(FIND, values).fetchall())


COPY = sql.SQL("COPY ingest_event ({columns}) FROM STDIN").format(
    columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
)


def insert(conn: psycopg.Connection, items: Iterable[Placed], now: datetime) -> None:
    with conn.cursor() as cursor, cursor.copy(COPY) as copy:
        for item in items:
            copy.write_row(_row(item, now))


def _row(item: Placed, now: datetime) -> tuple[object, ...]:
    event, batch = item.event, item.batch
    return (
        item.site.id, event.id, item.ts, _moment(event.sent_ts), item.session_id, event.visitor_id,
        event.name, event.category, event.label, event.hostname, event.path, source.kept_query(event.query),
        event.title, source.external(event.referrer, event.hostname),
        msgspec.json.encode(event.properties).decode() if event.properties else None,
        event.value, event.currency, event.user_id, event.engaged_ms, event.scroll,
        batch.batch_id, event.correlation_id, _moment(batch.received_at), now,
    )  # fmt: skip


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


MOVE = """
UPDATE ingest_event SET session_id = %(into)s
WHERE site_id = %(site)s AND session_id = %(id)s AND ts >= %(start)s AND ts <= %(end)s
"""


def move(conn: psycopg.Connection, session: tuple[int, int], into: SessionRow) -> None:
    """The events of a session that was joined into another; all of them lie within the joined one's span."""
    conn.execute(
        MOVE,
        {
            "into": into.id,
            "site": session[0],
            "id": session[1],
            "start": into.seen_from,
            "end": into.seen_until,
        },
    )
