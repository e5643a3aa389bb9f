"""`ingest_event`: which events are stored already, and COPY of those that are not."""

import functools
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import msgspec
import psycopg
from psycopg import sql

from ingest import partitions
from ingest.enrich import source
from ingest.sessions import Placed, SessionRow
from ingest.store import copying, plain

Id = tuple[int, int]  # site, and the event's id as a number: a UUID is slow to hash and compare

COLUMNS = (
    "site_id", "id", "ts", "sent_ts", "session_id", "visitor_id", "name", "category", "label", "hostname",
    "path", "query", "title", "referrer", "properties", "value", "currency", "user_id", "engaged_ms",
    "scroll", "batch_id", "correlation_id", "received_at", "processed_at",
)  # fmt: skip

# A repeat carries the same time, give or take a clock that was corrected by up to this much.
NEAR = timedelta(minutes=15)
FAR_BACK, FAR_AHEAD = timedelta(days=8), timedelta(days=1)


# Locks are few, whatever a batch holds: the server's table of locks is small.
LOCK_SPACE, LOCK_BUCKETS = 0x666F6F75, 256
CLAMPED = 60  # seconds; a clock a little fast is no corrected one


def has_own_time(item: Placed) -> bool:
    """Whether a repeat of the event would most likely carry the same time."""
    event = item.event
    return item.batch.is_import or (
        event.is_timed and (event.sent_ts is None or abs(event.sent_ts - event.ts) <= CLAMPED)
    )


def id_of(item: Placed) -> Id:
    return item.site.id, item.event.id.int


# Each day by its name, and not a word of `ts`: of a young day, whose figures PostgreSQL has not gathered yet, it would
# take the index of (site_id, ts) to be the better one, and read all that the site has in that day for each id.
FIND = """
WITH sought AS MATERIALIZED (SELECT * FROM unnest(%s::bigint[], %s::uuid[]) AS given(site_id, id))
{in_days}
"""
IN_DAY = """
SELECT e.site_id, e.id, e.received_at FROM {day} e JOIN sought ON e.site_id = sought.site_id AND e.id = sought.id
"""
LOCK = "SELECT pg_advisory_xact_lock(%s, bucket) FROM unnest(%s::int[]) AS bucket"


def stored(conn: psycopg.Connection, items: list[Placed]) -> dict[Id, datetime]:
    """Those of ITEMS that the table has, whatever their time says, with when they arrived that time.

    A live event is looked for in every day that is accepted, since a repeat may come with another clock; an
    imported one around its own time. Events without a time of their own are locked meanwhile: two writers
    must not both find nothing.
    """
    buckets = sorted({item.event.id.int % LOCK_BUCKETS for item in items if not has_own_time(item)})
    if buckets:
        conn.execute(LOCK, (LOCK_SPACE, buckets))
    imported = [item for item in items if item.batch.is_import]
    live = [item for item in items if not item.batch.is_import] if imported else items
    return _find(conn, imported, NEAR, NEAR) | _find(conn, live, FAR_BACK, FAR_AHEAD)


def _find(conn: psycopg.Connection, items: list[Placed], back: timedelta, ahead: timedelta) -> dict[Id, datetime]:
    """Within BACK and AHEAD of when the events happened or arrived."""
    if not items:
        return {}
    moments = [item.event.ts for item in items]
    if not items[0].batch.is_import:
        moments += {item.batch.received_at for item in items}
    start, end = datetime.fromtimestamp(min(moments), UTC) - back, datetime.fromtimestamp(max(moments), UTC) + ahead
    days = [day for day in partitions.existing(conn) if start.date() <= day <= end.date()]
    if not days:
        return {}
    values = copying.array([item.site.id for item in items]), copying.array([item.event.id for item in items])
    found = plain.fetch(conn, find_in(days), values)
    return {(site, id_.int): arrived for site, id_, arrived in found}


def find_in(days: Iterable[date]) -> sql.Composed:
    """FIND over these days."""
    tables = [sql.Identifier(partitions.name_of(day)) for day in sorted(days)]
    return sql.SQL(FIND).format(
        in_days=sql.SQL("UNION ALL").join(sql.SQL(IN_DAY).format(day=table) for table in tables)
    )


COPY = copying.into("ingest_event", COLUMNS)


def insert(conn: psycopg.Connection, items: Iterable[Placed], now: datetime) -> None:
    processed_at = now.isoformat()
    copying.rows(conn, COPY, [copying.line(_row(item, processed_at)) for item in items])


def _row(item: Placed, processed_at: str) -> tuple[object, ...]:
    event, batch = item.event, item.batch
    return (
        item.site.id, event.id, item.ts, _moment(event.sent_ts), item.session_id, event.visitor_id,
        event.name, event.category, event.label, event.hostname, event.path,
        source.kept_query(event.query, item.site.kept_parameters), event.title,
        source.external(event.referrer, event.hostname),
        msgspec.json.encode(event.properties).decode() if event.properties else None,
        event.value, event.currency, event.user_id, event.engaged_ms, event.scroll,
        batch.batch_id, event.correlation_id, _arrived(batch.received_at), processed_at,
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)  # the same for all of a request
def _arrived(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


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
