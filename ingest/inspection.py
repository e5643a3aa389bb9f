"""What staff see of the big tables and the stream: one page of rows at a time, found by key, never counted.

Every question runs under a time limit of its own, so that a look at a large installation can slow nothing down.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from ingest import keeping, partitions, queue

PAGE_ROWS = 50
SECONDS = 5
RECENT = timedelta(hours=48)

Row = tuple[Any, ...]


class BadMark(ValueError):  # noqa: N818
    """The place to go on from, as an address carries it, is none of this listing's."""


class Listing(NamedTuple):
    """A table shown newest first. `key` orders it and has an index behind it, but for `number` (see VISITORS)."""

    table: str
    columns: tuple[str, ...]
    key: tuple[tuple[str, str], ...]  # column and type, the most significant first


class Page(NamedTuple):
    """`after` is the mark to ask for the next page with; None on the last one."""

    columns: tuple[str, ...]
    rows: list[Row]
    after: str | None


EVENTS = Listing(
    "ingest_event",
    ("ts", "name", "label", "hostname", "path", "session_id", "visitor_id", "value", "currency", "properties",
     "received_at", "id"),
    (("ts", "timestamptz"), ("id", "uuid")),
)  # fmt: skip
SESSIONS = Listing(
    "ingest_session",
    ("started_at", "last_activity", "source", "channel", "country", "device", "browser", "entry_page", "page_views",
     "events", "is_bounce", "visitor_id", "id"),
    (("started_at", "timestamptz"), ("id", "bigint")),
)  # fmt: skip
# Numbers are given out in the order of arrival: the newest visitor has the highest.
VISITORS = Listing(
    "ingest_visitor",
    ("number", "first_seen", "last_seen", "user_id", "properties", "id"),
    (("number", "bigint"),),
)
COUNTS = Listing(
    "ingest_count",
    ("hour", "site_id", "outcome", "reason", "events"),
    (("hour", "timestamptz"), ("site_id", "bigint"), ("outcome", "text"), ("reason", "text")),
)
SAMPLES = Listing(
    "ingest_sample",
    ("received_at", "outcome", "reason", "detail", "name", "page", "user_agent", "event", "id"),
    (("received_at", "timestamptz"), ("id", "bigint")),
)
BOTS = Listing(
    "ingest_bot_count",
    ("hour", "kind", "name", "events"),
    (("hour", "timestamptz"), ("kind", "text"), ("name", "text")),
)
SHIELD_HITS = Listing(
    "ingest_shield_hit", ("hour", "shield_id", "events"), (("hour", "timestamptz"), ("shield_id", "bigint"))
)


@contextmanager
def limited() -> Iterator[CursorWrapper]:
    """A cursor whose statements end after SECONDS with django.db.OperationalError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
        yield cursor


def page(listing: Listing, site_id: int | None, mark: str = "", since: datetime | None = None) -> Page:
    """The PAGE_ROWS rows after MARK, of one site or (None) of all, not older than SINCE.

    Raises BadMark, and OperationalError after SECONDS.
    """
    query, values = _statement(listing, site_id, _key_in(listing, mark), since)
    with limited() as cursor:
        cursor.execute(query, values)
        rows = cursor.fetchall()
    shown = rows[:PAGE_ROWS]
    after = _mark_of(listing, shown[-1]) if len(rows) > PAGE_ROWS else None
    return Page(listing.columns, shown, after)


def _statement(
    listing: Listing, site_id: int | None, last: list[str], since: datetime | None
) -> tuple[sql.Composed, dict[str, Any]]:
    newest = sql.Identifier(listing.key[0][0])
    values: dict[str, Any] = {"site": site_id, "since": since, "rows": PAGE_ROWS + 1}
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if site_id is not None:
        conditions.append(sql.SQL("site_id = %(site)s"))
    if since is not None:
        conditions.append(sql.SQL("{} >= %(since)s").format(newest))
    if last:
        values |= {f"key{place}": value for place, value in enumerate(last)}
        # The first condition alone lets PostgreSQL skip whole days; the second is exact.
        conditions.append(sql.SQL("{} <= {}").format(newest, _typed(listing)[0]))
        conditions.append(sql.SQL("({}) < ({})").format(_names(listing), sql.SQL(", ").join(_typed(listing))))
    query = sql.SQL("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {order} LIMIT %(rows)s").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, listing.columns)),
        table=sql.Identifier(listing.table),
        conditions=sql.SQL(" AND ").join(conditions),
        order=sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name, _ in listing.key),
    )
    return query, values


def _names(listing: Listing) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name, _ in listing.key)


def _typed(listing: Listing) -> list[sql.Composed]:
    return [
        sql.SQL("{}::{}").format(sql.Placeholder(f"key{place}"), sql.SQL(kind))
        for place, (_, kind) in enumerate(listing.key)
    ]


def _mark_of(listing: Listing, row: Row) -> str:
    values = dict(zip(listing.columns, row, strict=True))
    return json.dumps([str(values[name]) for name, _ in listing.key])


def _key_in(listing: Listing, mark: str) -> list[str]:
    if not mark:
        return []
    try:
        values = json.loads(mark)
    except ValueError as error:
        raise BadMark(mark) from error
    if not isinstance(values, list) or len(values) != len(listing.key) or not all(map(_is_plain, values)):
        raise BadMark(mark)
    return values


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


TOTALS = """
SELECT outcome, reason, sum(events)::bigint FROM ingest_count
WHERE hour >= %(since)s AND (%(site)s::bigint IS NULL OR site_id = %(site)s)
GROUP BY outcome, reason ORDER BY outcome, reason
"""


def totals(site_id: int | None, since: datetime) -> list[Row]:
    """Outcome, reason and events, of one site or (None) of all."""
    with limited() as cursor:
        cursor.execute(TOTALS, {"site": site_id, "since": since})
        return cursor.fetchall()


def recent(now: datetime) -> datetime:
    """The start of the hour that RECENT ago lies in."""
    return (now.astimezone(UTC) - RECENT).replace(minute=0, second=0, microsecond=0)


# The pattern also finds days whose making or dropping was interrupted: they are there and not attached.
DAYS = """
SELECT to_date(right(relname, 8), 'YYYYMMDD'), nullif(reltuples, -1)::bigint,
       pg_table_size(oid), pg_indexes_size(oid), relispartition
FROM pg_class
WHERE relkind = 'r' AND relname ~ %s AND pg_table_is_visible(oid)
ORDER BY relname DESC
"""


class Day(NamedTuple):
    """One day's partition. `rows` is PostgreSQL's estimate, None before it has made one; sizes in bytes."""

    day: Any
    rows: int | None
    table_bytes: int
    index_bytes: int
    is_attached: bool


def days() -> list[Day]:
    """The partitions of the event table, newest first."""
    with limited() as cursor:
        cursor.execute(DAYS, [f"^{partitions.PARENT}_[0-9]{{8}}$"])
        return [Day(*row) for row in cursor.fetchall()]


WRITERS = "SELECT shard, owner, until, until > now(), applied FROM ingest_shard"


class ShardState(NamedTuple):
    """`waiting`: entries in the stream, None when Redis does not answer; `owner` is "" before the first writer."""

    shard: int
    waiting: int | None
    owner: str = ""
    until: datetime | None = None
    is_held: bool = False
    applied: str = ""


def stream() -> list[ShardState]:
    """Each shard with its backlog and its writer."""
    with limited() as cursor:
        cursor.execute(WRITERS)
        writers: dict[int, Sequence[Any]] = {row[0]: row[1:] for row in cursor.fetchall()}
    return [ShardState(shard, _waiting(shard), *writers.get(shard, ())) for shard in range(settings.INGEST_SHARDS)]


def _waiting(shard: int) -> int | None:
    try:
        return int(queue.client().xlen(queue.key_of(shard)))
    except redis.RedisError:
        return None


def stream_shortcomings() -> list[str]:
    """Sentences about a Redis that is away or must not carry the stream."""
    try:
        return keeping.shortcomings()
    except redis.RedisError as error:
        return [f"Redis does not answer ({type(error).__name__}): new events are written to the tables directly."]
