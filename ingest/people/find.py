"""Whose rows: the visitors, sessions and events of one person, told by a user id or by a visitor's id.

A browser may have had several users. Of a visitor that was never known as somebody else everything is the
person's, what came before the log-in included. Of another visitor theirs are the sessions in which nobody else was
known, and in the others the events that carry their user id.

Events that an archive gave back may be older than their sessions were kept: of these theirs are those of their
visitors, and those that carry their user id.

A visitor that the server derived, without an id in the browser, is another one each day: it can be asked for by its
number alone, and nothing tells which other numbers were the same person.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import args_row

from ingest import fields
from ingest.enrich import visitor
from ingest.refusal import Rejected
from ingest.sites import KnownSite
from ingest.store import plain
from ingest.store.removal import NONE, Condition

NUMBER = re.compile(r"-?\d{1,19}")
BIGINT = 1 << 63
FAR = datetime.max.replace(tzinfo=UTC)


class Unclear(Exception):  # noqa: N818
    """What was given is no id. The text says which and why, without the id."""


@dataclass(frozen=True)
class Who:
    """By what a person is looked for. `visitors`: the 64-bit ids that are meant."""

    user_id: str | None = field(default=None, repr=False)
    visitors: tuple[int, ...] = field(default=(), repr=False)

    @property
    def manner(self) -> str:
        return "user id" if self.user_id is not None else "visitor id"


def by_user(told: Any) -> Who:
    """The id that was given to `identify`, letter by letter. Raises Unclear."""
    return Who(user_id=_identifier(told, "user_id"))


def by_visitor(site: KnownSite, told: Any) -> Who:
    """The id that the browser keeps, or the 64-bit id that the admin lists; either might look like the other.

    Raises Unclear.
    """
    text = _identifier(str(told) if type(told) is int else told, "visitor_id")
    named = visitor.named(site, "visitor", text)
    number = int(text) if NUMBER.fullmatch(text.strip()) else named
    return Who(visitors=(named, number) if -BIGINT <= number < BIGINT and number != named else (named,))


def _identifier(told: Any, name: str) -> str:
    try:
        found = fields.identifier({name: told}, name)
    except Rejected as error:
        raise Unclear(error.detail) from None
    if found is None:
        raise Unclear(f"{name}: is empty, or a word such as null that stands for none. Write the id.")
    return found


@dataclass(frozen=True)
class Person:
    """`whole`: visitors that are nobody else's. `shared`: those of which only a part is the person's. No session has
    expired that was later than `loose_before`."""

    site_id: int
    user_id: str | None = field(repr=False)
    whole: tuple[int, ...] = field(repr=False)
    shared: tuple[int, ...] = field(default=(), repr=False)
    loose_before: datetime = FAR

    @property
    def visitors(self) -> tuple[int, ...]:
        return self.whole + self.shared

    @property
    def condition(self) -> Condition:
        values = {"whole": list(self.whole), "shared": list(self.shared), "user": self.user_id}
        if not self.shared:
            return Condition(OF_WHOLE, NONE, values)
        return Condition(sql.SQL("({} OR {})").format(OF_WHOLE, OF_SHARED), SAYS_SO, values)

    def values(self, **more: Any) -> dict[str, Any]:
        here = {"site": self.site_id, "visitors": list(self.visitors), "loose_before": self.loose_before}
        return {**self.condition.values, **here, **more}


OF_WHOLE = sql.SQL("s.visitor_id = ANY(%(whole)s::bigint[])")
OF_SHARED = sql.SQL("""(
  s.visitor_id = ANY(%(shared)s::bigint[]) AND s.user_id = %(user)s AND NOT EXISTS (
    SELECT FROM ingest_event o WHERE o.site_id = s.site_id AND o.session_id = s.id
      AND o.ts >= s.seen_from AND o.ts <= s.seen_until AND o.user_id <> %(user)s
  ))""")
SAYS_SO = sql.SQL("s.visitor_id = ANY(%(shared)s::bigint[]) AND e.user_id = %(user)s")
# Of events without a session.
LOOSE = sql.SQL("""
  e.site_id = %(site)s AND e.ts < %(loose_before)s
  AND (e.visitor_id = ANY(%(whole)s::bigint[]) OR e.user_id = %(user)s) AND NOT EXISTS (
    SELECT FROM ingest_session s
    WHERE s.site_id = e.site_id AND s.id = e.session_id AND e.ts >= s.seen_from AND e.ts <= s.seen_until
  )""")
# Sessions go when their days are sealed, and days go from the earliest on. Partitions that are so old are few or none.
LOOSE_BEFORE = """
SELECT greatest(max(ends_at) FILTER (WHERE is_sealed), min(starts_at)) FROM ingest_daily_total WHERE site_id = %s
"""

# No index has the user id of events: all of the site's are read.
KNOWN_AS = """
SELECT id FROM ingest_visitor WHERE site_id = %(site)s AND user_id = %(user)s
UNION SELECT visitor_id FROM ingest_session WHERE site_id = %(site)s AND user_id = %(user)s
UNION SELECT visitor_id FROM ingest_event WHERE site_id = %(site)s AND user_id = %(user)s
ORDER BY 1
"""
# A session says who was the last; its events say who else, and are asked only where the session does not tell.
ALSO_KNOWN = """
SELECT id FROM ingest_visitor
WHERE site_id = %(site)s AND id = ANY(%(ids)s::bigint[]) AND user_id <> %(user)s
UNION SELECT visitor_id FROM ingest_session
WHERE site_id = %(site)s AND visitor_id = ANY(%(ids)s::bigint[]) AND user_id <> %(user)s
UNION SELECT s.visitor_id FROM ingest_session s
WHERE s.site_id = %(site)s AND s.visitor_id = ANY(%(ids)s::bigint[]) AND s.user_id = %(user)s AND EXISTS (
  SELECT FROM ingest_event e WHERE e.site_id = s.site_id AND e.session_id = s.id
    AND e.ts >= s.seen_from AND e.ts <= s.seen_until AND e.user_id <> %(user)s
)
UNION SELECT visitor_id FROM ingest_event
WHERE site_id = %(site)s AND visitor_id = ANY(%(ids)s::bigint[]) AND ts < %(loose_before)s AND user_id <> %(user)s
"""
# Every other event lies within its session's span. OFFSET 0 keeps the sessions outside: each is a short walk by time.
PARTS = sql.SQL("""
WITH mine AS MATERIALIZED (
  SELECT s.site_id, s.id, s.visitor_id, s.seen_from, s.seen_until, {whole} AS is_whole FROM ingest_session s
  WHERE s.site_id = %(site)s AND s.visitor_id = ANY(%(visitors)s::bigint[])
)
SELECT s.id, s.visitor_id, s.is_whole, s.seen_from, s.seen_until, count(e.ts), min(e.ts), max(e.ts)
FROM mine s LEFT JOIN LATERAL (
  SELECT e.ts FROM ingest_event e WHERE e.site_id = s.site_id AND e.session_id = s.id
    AND e.ts >= s.seen_from AND e.ts <= s.seen_until AND (s.is_whole OR e.user_id = %(user)s) OFFSET 0
) e ON true
GROUP BY 1, 2, 3, 4, 5 HAVING s.is_whole OR count(e.ts) > 0 ORDER BY s.seen_from, s.id
""")


def resolve(conn: psycopg.Connection, site_id: int, who: Who) -> Person:
    [(before,)] = plain.fetch(conn, LOOSE_BEFORE, (site_id,))
    if who.user_id is None:
        return Person(site_id, None, who.visitors, loose_before=before or FAR)
    values: dict[str, Any] = {"site": site_id, "user": who.user_id, "loose_before": before or FAR}
    ids = [id_ for (id_,) in plain.fetch(conn, KNOWN_AS, values)]
    shared = {id_ for (id_,) in plain.fetch(conn, ALSO_KNOWN, {**values, "ids": ids})} if ids else set()
    whole = tuple(id_ for id_ in ids if id_ not in shared)
    return Person(site_id, who.user_id, whole, tuple(sorted(shared)), before or FAR)


class Part(NamedTuple):
    """A session, and how much of it is the person's: all, or the events that say so."""

    id: int
    visitor_id: int
    is_whole: bool
    seen_from: datetime
    seen_until: datetime
    events: int  # theirs, of those that are stored
    first: datetime | None
    last: datetime | None

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Of what is theirs."""
        if self.is_whole or self.first is None or self.last is None:
            return self.seen_from, self.seen_until
        return self.first, self.last


def parts(conn: psycopg.Connection, person: Person) -> list[Part]:
    """In order of time. None is locked."""
    query = PARTS.format(whole=person.condition.whole)
    return plain.fetch(conn, query, person.values(), args_row(Part)) if person.visitors else []
