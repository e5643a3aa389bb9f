"""Folds the stored events of sessions again, where a session's row is not what they make of it.

What the events do not tell stays as the row has it: with what, and from where the visitor came. A session without
events goes; events without a session get one, of which no more is known than they say.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import args_row

from ingest import refold, withdrawal
from ingest.clock import day_holding
from ingest.event import Event
from ingest.rollups.buckets import Day, day_of
from ingest.sessions import Folded, Placed, SessionRow
from ingest.sites import KnownSite
from ingest.store import events, marks, plain, removal, sessions, visitors

log = logging.getLogger(__name__)
SESSIONS = 1_000  # in one transaction
AHEAD = timedelta(days=2)  # an event may be dated up to a day ahead
SESSION_AT = refold.FIELDS.index("session_id")
EVENTS = sql.SQL("""
SELECT {fields} FROM ingest_event e
WHERE e.site_id = %(site)s AND e.session_id = ANY(%(ids)s) AND e.ts >= %(since)s AND e.ts < %(until)s
""").format(fields=sql.SQL(", ").join(sql.SQL(removal.FIELD.get(name, f"e.{name}")) for name in refold.FIELDS))
LOCK = "SELECT id, first_seen, last_seen FROM ingest_visitor WHERE site_id = %s AND id = ANY(%s) ORDER BY id FOR UPDATE"
ROWS = sql.SQL("SELECT {columns} FROM ingest_session WHERE site_id = %s AND id = ANY(%s)").format(
    columns=sessions.NAMES
)


class Mended(NamedTuple):
    sessions: int
    days: set[Day]  # in which figures may have changed


def mend(known: KnownSite, ids: Sequence[int], since: datetime) -> Mended:
    """Of the sessions IDS those whose events are all there: SINCE is from when on they are kept.

    Marks the hours that change. May run beside writers. Raises psycopg.Error.
    """
    count, moments = 0, set[datetime]()
    for start in range(0, len(ids), SESSIONS):
        done, touched = withdrawal.settled(partial(_mended, known, ids[start : start + SESSIONS], since))
        count += done
        moments |= touched
    log.info("Folded %d sessions of site %d again.", count, known.id)
    return Mended(count, {day_of(known.zone, day_holding(known.zone, moment)) for moment in moments})


def _mended(
    known: KnownSite, ids: Sequence[int], since: datetime, conn: psycopg.Connection
) -> tuple[int, set[datetime]]:
    return _Mending(conn, known, ids, since).run()


class _Mending:
    """Some sessions of a site, in the caller's transaction. The visitors' rows are the lock, as for the writer."""

    def __init__(self, conn: psycopg.Connection, known: KnownSite, ids: Sequence[int], since: datetime) -> None:
        self.conn, self.known, self.since = conn, known, since
        self.ids = list(ids)

    def run(self) -> tuple[int, set[datetime]]:
        """How many were folded, and the moments whose figures may be others now."""
        held = self._hold()
        items = _by_session(self._items(held.rows))
        rows = {id_: _bare(self.known, found[0].event) for id_, found in items.items()} | held.rows
        made = {id_: refold.again(row, items.get(id_, [])) for id_, row in rows.items()}
        self._save(held, made)
        started = removal.mend_visitors(self.conn, self.known.id, held)
        folded = [row for parts in made.values() for row in parts]
        moments = {*started, *_moments([*held.rows.values(), *folded], items)}
        marks.dirty(self.conn, ((self.known, moment) for moment in moments))
        return len(made), moments

    def _hold(self) -> removal.Held:
        """The sessions and their visitors, locked; a visitor that is missing is made."""
        rows = plain.fetch(self.conn, ROWS, (self.known.id, self.ids), args_row(SessionRow))
        self.ids = sorted(set(self.ids) - {row.id for row in rows if row.seen_from < self.since})
        items = self._items({row.id: row for row in rows})
        ids = sorted({row.visitor_id for row in rows} | {item.event.visitor_id for item in items})
        there = self._lock_visitors(ids)
        missing = [item for item in items if item.event.visitor_id not in there]
        if missing:
            visitors.save(self.conn, sorted(missing, key=lambda item: item.order))
        locked = sessions.locked(self.conn, [(self.known.id, id_) for id_ in self.ids])
        return removal.Held(self._lock_visitors(ids), {row.id: row for row in locked}, set(), [])

    def _lock_visitors(self, ids: list[int]) -> dict[int, tuple[datetime, datetime]]:
        rows = self.conn.execute(LOCK, (self.known.id, ids)).fetchall()
        return {id_: (first, last) for id_, first, last in rows}

    def _items(self, rows: dict[int, SessionRow]) -> list[Placed]:
        """All stored events of the sessions, each with its session's visitor."""
        given = {"site": self.known.id, "ids": self.ids, "since": self.since, "until": datetime.now(UTC) + AHEAD}
        items, known = list[Placed](), dict(rows)
        for fields in self.conn.execute(EVENTS, given).fetchall():
            event = refold.event_of(fields)
            row = known.setdefault(fields[SESSION_AT], _bare(self.known, event))
            event.visitor_id = row.visitor_id
            items.append(refold.stored(self.known, row, event))
        return items

    def _save(self, held: removal.Held, made: dict[int, list[SessionRow]]) -> None:
        ended = [id_ for id_, parts in made.items() if not parts]
        changed = [parts[0] for id_, parts in made.items() if parts and id_ in held.rows]
        new = [parts[0] for id_, parts in made.items() if parts and id_ not in held.rows]
        split = [(id_, row) for id_, parts in made.items() for row in parts[1:]]
        self.conn.execute(sessions.DELETE, ([self.known.id] * len(ended), ended))
        new += [row for _, row in split]
        sessions.save(self.conn, Folded(new, changed, {}, {row.key for row in changed}, set()))
        for id_, row in split:
            events.move(self.conn, (self.known.id, id_), row)


def _bare(known: KnownSite, event: Event) -> SessionRow:
    """A session of which only its events are left."""
    return SessionRow(site_id=known.id, id=event.session_id or 0, visitor_id=event.visitor_id)


def _by_session(items: Iterable[Placed]) -> dict[int, list[Placed]]:
    found: dict[int, list[Placed]] = {}
    for item in items:
        found.setdefault(item.session_id, []).append(item)
    return found


def _moments(rows: Iterable[SessionRow], items: dict[int, list[Placed]]) -> Iterator[datetime]:
    yield from (row.started_at for row in rows)
    yield from (item.ts for found in items.values() for item in found)
