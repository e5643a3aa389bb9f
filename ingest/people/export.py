"""A person's data as one readable file: indented JSON in UTF-8, times in ISO 8601, rows in order of time.

Written row by row, so that a hundred thousand events take no memory. Of a visitor whom others used too there is no
row, and of a session that is theirs in part only its events are there: the rest is not this person's to read.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

import psycopg
from django.utils.timezone import now
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import JsonbLoader

from ingest.models import Event, PersonRequest, Session, Site, Visitor
from ingest.people import aside
from ingest.people.find import LOOSE, Person, Who, resolve
from ingest.people.found import Found, count
from ingest.snapshot import snapshot

ROWS = 1_000  # fetched at a time
OURS = {"pk", "site_id"}
OF_SAMPLE = ("received_at", "outcome", "reason", "detail", "name", "page", "user_agent", "event")

VISITORS = sql.SQL("""
SELECT {columns} FROM ingest_visitor v
WHERE v.site_id = %(site)s AND v.id = ANY(%(whole)s::bigint[]) ORDER BY v.first_seen, v.id
""")
SESSIONS = sql.SQL("""
SELECT {columns} FROM ingest_session s
WHERE s.site_id = %(site)s AND s.visitor_id = ANY(%(visitors)s::bigint[]) AND {whole} ORDER BY s.seen_from, s.id
""")
EVENTS = sql.SQL("""
WITH mine AS MATERIALIZED (
  SELECT s.site_id, s.id, s.seen_from, s.seen_until, {whole} AS is_whole FROM ingest_session s
  WHERE s.site_id = %(site)s AND s.visitor_id = ANY(%(visitors)s::bigint[])
)
SELECT {columns} FROM (
  SELECT e.* FROM mine s CROSS JOIN LATERAL (
    SELECT * FROM ingest_event e WHERE e.site_id = s.site_id AND e.session_id = s.id
      AND e.ts >= s.seen_from AND e.ts <= s.seen_until AND (s.is_whole OR e.user_id = %(user)s) OFFSET 0
  ) e
  UNION ALL SELECT e.* FROM ingest_event e WHERE {loose}
) e ORDER BY e.ts, e.id
""")
Row = Mapping[str, Any]


def export(site: Site, who: Who, into: BinaryIO) -> Found:
    """Writes the file, also of somebody who is not known: it says so. Raises what PostgreSQL says, and OSError."""
    with snapshot() as conn:
        person = resolve(conn, site.pk, who)
        found = count(conn, person)
        text = io.TextIOWrapper(into, encoding="utf-8", write_through=True)
        _write(text, _head(site, who, found), _sections(conn, person))
        text.detach()  # INTO stays open: it is the caller's
        return found


def recorded(site_id: int, asked_by: str, found: Found) -> PersonRequest:
    """That an export was handed out, and how much it was."""
    counts = {name: getattr(found, name) for name in ("visitors", "sessions", "events", "others")}
    kind = PersonRequest.Kind.EXPORT
    return PersonRequest.objects.create(site_id=site_id, kind=kind, asked_by=asked_by[:254], done_at=now(), **counts)


def _head(site: Site, who: Who, found: Found) -> dict[str, Any]:
    return {
        "site": {"key": site.key, "name": site.name, "domain": site.domain, "timezone": site.timezone},
        "exported_at": now(),
        "found_by": who.manner,
        **({"user_id": who.user_id} if who.user_id is not None else {"visitor_ids": list(who.visitors)}),
        "summary": str(found),
    }


def _sections(conn: psycopg.Connection, person: Person) -> Iterator[tuple[str, Iterable[Row]]]:
    yield "visitors", _rows(conn, VISITORS.format(columns=_columns(Visitor, "v")), person)
    whole = person.condition.whole
    yield "sessions", _rows(conn, SESSIONS.format(columns=_columns(Session, "s"), whole=whole), person)
    yield "events", _rows(conn, EVENTS.format(columns=_columns(Event, "e"), whole=whole, loose=LOOSE), person)
    yield "set_aside", (event for entry in aside.entries(person) for event in aside.readable(entry))
    yield "not_counted", ({name: getattr(one, name) for name in OF_SAMPLE} for one in aside.samples(person))


def _columns(model: type[Event | Session | Visitor], row: str) -> sql.Composed:
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in OURS]
    return sql.SQL(", ").join(sql.Identifier(row, name) for name in names)


def _rows(conn: psycopg.Connection, query: sql.Composed, person: Person) -> Iterator[Row]:
    with psycopg.ServerCursor(conn, "person", row_factory=dict_row) as cursor:
        cursor.adapters.register_loader("jsonb", JsonbLoader)
        cursor.itersize = ROWS
        yield from cursor.execute(query, person.values())


# --- JSON -------------------------------------------------------------------------------------------------


def _write(text: io.TextIOBase, head: Row, sections: Iterable[tuple[str, Iterable[Row]]]) -> None:
    """One object: the members of HEAD, then a list for each section."""
    members = [f"  {json.dumps(name)}: {_json(value, 2)}" for name, value in head.items()]
    text.write("{\n" + ",\n".join(members))
    for name, rows in sections:
        text.write(f",\n  {json.dumps(name)}: [")
        between = "\n    "
        for row in rows:
            text.write(between + _json({name: value for name, value in row.items() if value is not None}, 4))
            between = ",\n    "
        text.write("]" if between == "\n    " else "\n  ]")
    text.write("\n}\n")


def _json(value: Any, depth: int) -> str:
    said = json.dumps(value, ensure_ascii=False, indent=2, default=_text)
    return said.replace("\n", "\n" + " " * depth)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__}: has no form in the file.")
