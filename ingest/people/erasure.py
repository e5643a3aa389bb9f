"""Erasing a person from a site: everything that is stored of them, aggregates included.

First what waits in the stream must be in the tables: a visitor is known as the person by rows, and once these are gone
what comes after could not be told to be theirs. Then, in this order, what is found by the visitors' rows, sessions and
events, and last those rows themselves. So an erasure that was killed anywhere finds the rest when it is run again,
and one that was finished finds nothing.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import psycopg
from django.db.models import F
from django.utils.timezone import now as utc_now
from psycopg import sql

from ingest import withdrawal
from ingest.enrich import visitor
from ingest.models import PersonRequest
from ingest.people import aside, members
from ingest.people.find import LOOSE, Part, Person, Who, parts, resolve
from ingest.retention import archive
from ingest.rollups import drain
from ingest.sessions import Placed, SessionRow
from ingest.sites import KnownSite
from ingest.store import marks, plain, removal
from ingest.withdrawal import Taken
from ingest.writer import connected

log = logging.getLogger(__name__)
EVER = datetime(1, 1, 1, tzinfo=UTC)
ROUNDS = 10  # each finds what was written during the one before

LEFT = "SELECT count(*) FROM ingest_visitor WHERE site_id = %s AND id = ANY(%s::bigint[])"
DELETE_LOOSE = sql.SQL("DELETE FROM ingest_event e WHERE {loose} RETURNING e.ts").format(loose=LOOSE)
LOCK_WHOLE = """
SELECT v.id FROM ingest_visitor v WHERE v.site_id = %(site)s AND v.id = ANY(%(whole)s::bigint[])
ORDER BY v.site_id, v.id FOR UPDATE OF v
"""
# A visitor may outlive its sessions.
DELETE_WHOLE = """
DELETE FROM ingest_visitor v WHERE v.site_id = %(site)s AND v.id = ANY(%(whole)s::bigint[]) AND NOT EXISTS (
  SELECT FROM ingest_session s WHERE s.site_id = v.site_id AND s.visitor_id = v.id
)
"""
# Nothing tells which properties were said of whom. Who else it was may be told only by a session that a later block
# folds again: until then the visitor is nobody's.
MEND_SHARED = """
UPDATE ingest_visitor v SET properties = NULL, properties_at = NULL,
  user_id = CASE WHEN coalesce(v.user_id, %(user)s) = %(user)s THEN other.user_id ELSE v.user_id END,
  user_at = CASE WHEN coalesce(v.user_id, %(user)s) = %(user)s THEN other.user_at ELSE v.user_at END
FROM unnest(%(ids)s::bigint[]) AS sought(id) LEFT JOIN LATERAL (
  SELECT s.user_id, s.user_at FROM ingest_session s
  WHERE s.site_id = %(site)s AND s.visitor_id = sought.id AND s.user_id <> %(user)s
  ORDER BY s.user_at DESC, s.user_id DESC LIMIT 1
) other ON true
WHERE v.site_id = %(site)s AND v.id = sought.id
"""


class Erased(NamedTuple):
    """How much is gone. Of sessions also those that lost a part."""

    visitors: int = 0
    sessions: int = 0
    events: int = 0
    others: int = 0

    def __str__(self) -> str:
        if not any(self):
            return "Nothing is stored of this person: there was nothing to erase."
        others = f" and {self.others:,} events set aside or sampled" if self.others else ""
        return f"Erased {self.visitors:,} visitors, {self.sessions:,} sessions, {self.events:,} events{others}."


def begin(site_id: int, asked_by: str) -> PersonRequest:
    return PersonRequest.objects.create(site_id=site_id, kind=PersonRequest.Kind.ERASURE, asked_by=asked_by[:254])


def erase(site: KnownSite, who: Who, request: PersonRequest) -> Erased:
    """Everything of WHO, and what it is counted in. What waited in the stream must be written by now: `stream.wait`.

    The counts of REQUEST grow with each transaction, so they are of all runs together; returns them. Raises what
    PostgreSQL and the archive say, and may be run again then.
    """
    person = resolve(connected(), site.id, who)
    _add(request, Erased(others=aside.erase(person)))
    visitor.forget(site, person.visitors)
    _erase_archived(person, request)  # while the rows tell which visitors they are
    for _ in range(ROUNDS):
        found = parts(connected(), person)
        taken = sum([_erase_block(site, person, request, block) for block in _blocks(found)])
        if not taken:
            break
    withdrawal.settled(lambda conn: _erase_loose(conn, site, person, request))
    _erase_archived(person, request)  # what was put there meanwhile
    withdrawal.settled(lambda conn: _erase_visitors(conn, person, request))
    drain.of_hours(site, utc_now())
    PersonRequest.objects.filter(pk=request.pk, done_at=None).update(done_at=utc_now())
    request.refresh_from_db()
    log.info("Erasure %d of site %d: %d sessions, %d events.", request.pk, site.id, request.sessions, request.events)
    return Erased(request.visitors, request.sessions, request.events, request.others)


def _add(request: PersonRequest, erased: Erased) -> None:
    grown = {name: F(name) + count for name, count in erased._asdict().items()}
    PersonRequest.objects.filter(pk=request.pk).update(**grown)


def _erase_archived(person: Person, request: PersonRequest) -> None:
    """By the user id too: a visitor's row goes earlier than an archive."""
    _add(request, Erased(events=archive.erase(person.site_id, person.whole, person.user_id)))


def _blocks(found: Sequence[Part]) -> Iterator[list[Part]]:
    """By day, so that each step reads few partitions; each of so many sessions and events as a transaction may hold."""
    for _, of_day in itertools.groupby(found, lambda part: part.seen_from.date()):
        by_id = {part.id: part for part in of_day}
        for ids in withdrawal.blocks((part.id, part.events) for part in by_id.values()):
            yield [by_id[id_] for id_ in ids]


def _erase_block(site: KnownSite, person: Person, request: PersonRequest, block: list[Part]) -> int:
    """Returns how many sessions are gone or smaller."""
    taken = withdrawal.settled(lambda conn: _take(conn, site, person, request, block))
    return taken.sessions if taken else 0


def _take(
    conn: psycopg.Connection, site: KnownSite, person: Person, request: PersonRequest, block: list[Part]
) -> Taken | None:
    members.lock_days(conn, site, [(part.seen_from, part.seen_until) for part in block])
    reach = removal.Reach(site.id, person.condition, EVER)
    held = removal.hold(conn, reach, [part.id for part in block])
    numbers = members.numbers_of(conn, site.id, held.visitors)
    taken = withdrawal.take(conn, site, reach, held, outlived)
    if taken is None:
        return None
    members.forget(conn, site.id, [(row.seen_from, row.seen_until) for row in held.rows.values()], numbers)
    _mend_shared(conn, person, set(held.visitors) & set(person.shared))
    [(left,)] = plain.fetch(conn, LEFT, (site.id, list(held.visitors)))
    _add(request, Erased(len(held.visitors) - left, taken.sessions, taken.events))
    return taken


def outlived(row: SessionRow, stay: list[Placed]) -> SessionRow:
    """A session that has lost events to time: its figures stay, its user is the last that is still told."""
    said = [(item.ts, item.event.user_id) for item in stay if item.event.user_id]
    at, user_id = max(said, default=(None, None))
    return msgspec.structs.replace(row, user_id=user_id, user_at=at)


def _mend_shared(conn: psycopg.Connection, person: Person, ids: set[int]) -> None:
    if ids:
        with psycopg.Cursor(conn) as cursor:
            cursor.execute(MEND_SHARED, {"site": person.site_id, "user": person.user_id, "ids": sorted(ids)})


def _erase_loose(conn: psycopg.Connection, site: KnownSite, person: Person, request: PersonRequest) -> None:
    """At once: some of them may be what tells that the others are the person's."""
    gone = [moment for (moment,) in plain.fetch(conn, DELETE_LOOSE, person.values())]
    marks.dirty(conn, ((site, moment) for moment in gone))
    _add(request, Erased(events=len(gone)))


def _erase_visitors(conn: psycopg.Connection, person: Person, request: PersonRequest) -> None:
    """Rows without a session."""
    plain.fetch(conn, LOCK_WHOLE, person.values())
    with psycopg.Cursor(conn) as cursor:
        gone = cursor.execute(DELETE_WHOLE, person.values()).rowcount
    _mend_shared(conn, person, set(person.shared))
    _add(request, Erased(visitors=gone))
