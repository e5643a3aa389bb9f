"""`ingest_visitor`: made, seen, identified; new ones take the site's next numbers.

The visitors' rows are the lock under which sessions are folded: whoever holds a visitor's row may create or
join its sessions. They are taken in key order, so that two writers never wait for each other.
"""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from ingest.fields import PROPERTIES_MAX
from ingest.sessions import Key, Placed
from ingest.store import copying, plain


class Seen(msgspec.Struct):
    """What a batch says of one visitor."""

    first: datetime
    last: datetime
    user_id: str | None = None
    user_at: datetime | None = None
    properties: dict[str, Any] | None = None
    properties_at: datetime | None = None
    number: int = 0


def seen_in(items: list[Placed]) -> dict[Key, Seen]:
    """By site and visitor, in key order. ITEMS in order of time: the last word wins, and of a moment's users the
    greatest."""
    found: dict[Key, Seen] = {}
    for item in items:
        key = item.site.id, item.event.visitor_id
        seen = found.setdefault(key, Seen(item.ts, item.ts))
        seen.first, seen.last = min(seen.first, item.ts), max(seen.last, item.ts)
        user = item.event.user_id
        if user and (not seen.user_at or (item.ts, user) > (seen.user_at, seen.user_id or "")):
            seen.user_id, seen.user_at = user, item.ts
        if item.event.user_properties and len(seen.properties or {}) < PROPERTIES_MAX:
            seen.properties = {**(seen.properties or {}), **item.event.user_properties}
            seen.properties_at = item.ts
    return dict(sorted(found.items()))


KNOWN = """
SELECT v.site_id, v.id, v.first_seen, v.number FROM ingest_visitor v
JOIN unnest(%s::bigint[], %s::bigint[]) AS sought(a, b) ON v.site_id = a AND v.id = b
"""
LOCK_NUMBERS = """
INSERT INTO ingest_visitor_number (site_id, allocated) VALUES (%s, 0)
ON CONFLICT (site_id) DO UPDATE SET allocated = ingest_visitor_number.allocated RETURNING allocated
"""
TAKE_NUMBERS = "UPDATE ingest_visitor_number SET allocated = allocated + %s WHERE site_id = %s"

UPSERT = """
INSERT INTO ingest_visitor AS v
    (site_id, id, number, first_seen, last_seen, user_id, user_at, properties, properties_at)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[],
                     %s::text[], %s::timestamptz[], %s::jsonb[], %s::timestamptz[])
ON CONFLICT (site_id, id) DO UPDATE SET
    first_seen = least(v.first_seen, excluded.first_seen),
    last_seen = greatest(v.last_seen, excluded.last_seen),
    -- As in a session: of two said at the very same moment the greater, in bytes, so that any order ends alike.
    user_id = CASE WHEN excluded.user_at > coalesce(v.user_at, '-infinity')
                     OR (excluded.user_at = v.user_at AND excluded.user_id COLLATE "C" > v.user_id)
                   THEN excluded.user_id ELSE v.user_id END,
    user_at = greatest(v.user_at, excluded.user_at),
    properties = CASE
        WHEN excluded.properties IS NULL THEN v.properties
        -- A visitor that collects ever more keeps what it had: the row is written with every batch.
        WHEN pg_column_size(v.properties) + pg_column_size(excluded.properties) > 32768 THEN v.properties
        WHEN excluded.properties_at < v.properties_at THEN excluded.properties || coalesce(v.properties, '{}')
        ELSE coalesce(v.properties, '{}') || excluded.properties END,
    properties_at = greatest(v.properties_at, excluded.properties_at)
RETURNING site_id, id, first_seen
"""


class Firsts(NamedTuple):
    """When each visitor of a batch was first seen, and those of them for whom that is earlier than before."""

    at: dict[Key, datetime]
    moved: list[Key]


def save(conn: psycopg.Connection, items: list[Placed]) -> Firsts:
    """Makes or updates the visitors of ITEMS (in order of time) and locks them until the transaction ends."""
    seen = seen_in(items)
    known = _number(conn, seen)
    rows = plain.fetch(conn, UPSERT, _columns(seen))
    at = {(site, id_): first for site, id_, first in rows}
    return Firsts(at, [key for key, before in known.items() if at[key] < before])


def _columns(seen: dict[Key, Seen]) -> list[Any]:
    """In the order of UPSERT."""
    all_ = seen.values()
    properties = [Jsonb(one.properties) if one.properties else None for one in all_]
    return [
        copying.array([site for site, _ in seen]),
        copying.array([id_ for _, id_ in seen]),
        copying.array([one.number for one in all_]),
        copying.array([one.first for one in all_]),
        copying.array([one.last for one in all_]),
        [one.user_id for one in all_],
        [one.user_at for one in all_],
        properties,
        [one.properties_at for one in all_],
    ]


def _number(conn: psycopg.Connection, seen: dict[Key, Seen]) -> dict[Key, datetime]:
    """Gives the new visitors their site's next numbers; returns the others with their first moment.

    The counter's row is locked before the second look, so that no other writer can make the same visitor
    meanwhile and the numbers stay dense.
    """
    known = _known(conn, seen)
    if len(known) == len(seen):
        return known
    last = {site: _one(conn, LOCK_NUMBERS, (site,)) for site in sorted({key[0] for key in seen if key not in known})}
    known = _known(conn, seen)
    taken: Counter[int] = Counter()
    for key in seen:
        if key not in known:
            taken[key[0]] += 1
            seen[key].number = last[key[0]] + taken[key[0]]
    for site, count in sorted(taken.items()):
        conn.execute(TAKE_NUMBERS, (count, site))
    return known


def _known(conn: psycopg.Connection, seen: dict[Key, Seen]) -> dict[Key, datetime]:
    """When each was first seen. Their numbers are noted: one that is deleted meanwhile is made again under its own."""
    keys = copying.array([site for site, _ in seen]), copying.array([id_ for _, id_ in seen])
    rows = plain.fetch(conn, KNOWN, keys)
    for site, id_, _, number in rows:
        seen[site, id_].number = number
    return {(site, id_): first for site, id_, first, _ in rows}


def _one(conn: psycopg.Connection, query: str, values: tuple[int]) -> int:
    row = conn.execute(query, values).fetchone()
    assert row is not None  # noqa: S101  an upsert returns its row
    return int(row[0])
