"""Taking stored events away again: what is left of their sessions is folded anew, and every hour touched is marked.

For a site's own rules and for a person's wish. What is left comes out as if the others had never come, as far as
the stored rows tell.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, TypeVar

import psycopg

from ingest import refold, writer
from ingest.sessions import Folded, Placed, SessionRow
from ingest.sites import KnownSite
from ingest.store import events, marks, removal, sessions
from ingest.store.removal import Held, Reach

log = logging.getLogger(__name__)
T = TypeVar("T")
SESSIONS, EVENTS = 5_000, 100_000  # in one transaction, unless a single session has more
ATTEMPTS = 6
AGAIN = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)
# What becomes of a session that has outlived some of its events, by those that stay; None: it is left alone.
Outlived = Callable[[SessionRow, list[Placed]], SessionRow | None]


class Taken(NamedTuple):
    """What one block lost. `received`: when the events that are gone had come in."""

    events: int
    sessions: int
    hours: set[datetime]
    received: list[datetime]


class Left(NamedTuple):
    """What becomes of one session: the events that go, and the sessions that the others make."""

    row: SessionRow
    gone: list[Placed]
    stay: list[Placed]
    made: list[SessionRow]


def blocks(found: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Sessions, found with their numbers of events: some have a few, one that a machine plays may have very many."""
    block, held = list[int](), 0
    for id_, count in found:
        if block and (len(block) == SESSIONS or held + count > EVENTS):
            yield block
            block, held = [], 0
        block.append(id_)
        held += count
    if block:
        yield block


def settled(work: Callable[[psycopg.Connection], T]) -> T:
    """WORK in one transaction; again when a writer was quicker."""
    for attempt in range(1, ATTEMPTS + 1):
        conn = writer.connected()
        try:
            with conn.transaction():
                return work(conn)
        except AGAIN as error:
            if attempt == ATTEMPTS:
                raise
            log.info("Again after %s.", type(error).__name__)
    raise AssertionError("unreachable")


def alone(row: SessionRow, stay: list[Placed]) -> SessionRow | None:
    """A session that has outlived some of its events could not be counted again."""
    return None


def take(
    conn: psycopg.Connection, site: KnownSite, reach: Reach, held: Held, outlived: Outlived = alone
) -> Taken | None:
    """What REACH covers of the sessions HELD, which the caller's transaction has locked. None when that is nothing."""
    lefts = list(_lefts(site, held, outlived))
    if not lefts:
        return None
    gone = {item.event.id for left in lefts for item in left.gone}
    removal.delete_events(conn, reach, held, gone)
    _save(conn, lefts)
    started = removal.mend_visitors(conn, site.id, held)
    hours = {marks.hour_of(site, moment) for moment in [*_moments(lefts), *started]}
    marks.dirty(conn, ((site, hour) for hour in hours))
    return Taken(len(gone), len(lefts), hours, [at for _, at, id_, *_ in held.events if id_ in gone])


def _lefts(site: KnownSite, held: Held, outlived: Outlived) -> Iterator[Left]:
    """Those that change."""
    gone: dict[int, list[Placed]] = {id_: [] for id_ in held.rows}
    stay: dict[int, list[Placed]] = {id_: [] for id_ in held.rows}
    for goes, _, *fields in held.events:
        event = refold.event_of(tuple(fields))
        item = refold.stored(site, held.rows[fields[4]], event)
        (gone if goes else stay)[item.session_id].append(item)
    for id_, row in held.rows.items():
        if id_ in held.whole:
            yield Left(row, [*gone[id_], *stay[id_]], [], [])
        elif gone[id_] and refold.counted(gone[id_]) + refold.counted(stay[id_]) == row.events:
            yield Left(row, gone[id_], stay[id_], refold.again(row, stay[id_]))
        elif gone[id_] and (made := outlived(row, stay[id_])) is not None:
            yield Left(row, gone[id_], stay[id_], [made])


def _save(conn: psycopg.Connection, lefts: list[Left]) -> None:
    ended = [left.row.key for left in lefts if not left.made]
    conn.execute(sessions.DELETE, ([key[0] for key in ended], [key[1] for key in ended]))
    changed = [left.made[0] for left in lefts if left.made]
    new = [row for left in lefts for row in left.made[1:]]
    sessions.save(conn, Folded(new, changed, {}, {row.key for row in changed}, set()))
    for left in lefts:
        for row in left.made[1:]:
            events.move(conn, left.row.key, row)


def _moments(lefts: list[Left]) -> Iterator[datetime]:
    for left in lefts:
        yield from (item.ts for item in (*left.gone, *left.stay))
        yield from (row.started_at for row in (left.row, *left.made))
