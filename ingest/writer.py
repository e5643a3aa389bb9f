"""From batches to rows: one transaction for many batches, the same for the stream, the direct road, imports.

A batch may come any number of times: events that are stored already are counted as duplicates and change
nothing. Order inside the transaction: what is stored (events), who (visitors, whose rows are the lock),
sessions, events, marks.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple

import psycopg
from django.db import connection

from ingest import partitions, sites
from ingest.enrich.origin import origin_of
from ingest.event import Batch, DropReason, apart
from ingest.models.sites import LEAST_DAYS
from ingest.sessions import QUARTER_SECONDS, Fold, Placed, Quarter
from ingest.sites import KnownSite
from ingest.store import closed, events, ledger, marks, sessions, visitors

log = logging.getLogger(__name__)
ATTEMPTS = 6
TOO_OLD = "too_old"  # as the door says it

# Another writer was quicker, or a day's partition is missing (check_violation) or was dropped meanwhile
# (undefined_table): the same again is right.
AGAIN = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.CheckViolation,
    psycopg.errors.UndefinedTable,
)

# For this transaction. A batch finds its rows by their keys, each once, and for a young table PostgreSQL would rather
# read it whole; what is acknowledged must be on the disk, whatever the role's setting says.
BY_KEYS_AND_SURELY = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)
"""


class Written(NamedTuple):
    stored: int
    duplicates: int
    too_old: int = 0  # of days of which the site keeps no events any more


def write(batches: list[Batch], inside: Callable[[psycopg.Connection], None] | None = None) -> Written:
    """Writes the batches whole or not at all. INSIDE is called in the transaction, before anything is written.

    Raises psycopg.Error or django.db.DatabaseError when the database refuses.
    """
    conn = connected()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with conn.transaction():
                conn.execute(BY_KEYS_AND_SURELY)
                if inside is not None:
                    inside(conn)
                return _write(conn, batches)
        except AGAIN as error:
            if attempt == ATTEMPTS:
                raise
            log.info("Writing again after %s.", type(error).__name__)
            if isinstance(error, psycopg.errors.CheckViolation):
                partitions.ensure(conn, partitions.days_of(_moments(batches)))
    raise AssertionError("unreachable")


def connected() -> psycopg.Connection:
    """This thread's connection, made anew when the server has ended it."""
    if connection.connection is not None and connection.connection.closed:
        connection.close()
    connection.ensure_connection()
    return connection.connection


def _moments(batches: list[Batch]) -> set[datetime]:
    return {datetime.fromtimestamp(event.ts, UTC) for batch in batches for event in batch.events}


def _write(conn: psycopg.Connection, batches: list[Batch]) -> Written:
    lines: Counter[ledger.Line] = Counter()
    placed, too_old = _young_enough(conn, _placed(batches, lines))
    items, repeated = _unrepeated(placed)
    found = events.stored(conn, items) if items else {}
    again = _counted(items, found)
    if found:
        repeated += [item for item in items if events.id_of(item) in found]
        items = [item for item in items if events.id_of(item) not in found]
    if items:
        _store(conn, items)
    _count(lines, "stored", items)
    _count(lines, "duplicate", [one for one in repeated if not one.batch.is_again and id(one.batch) not in again])
    _count(lines, "rejected", too_old, TOO_OLD)
    ledger.write(conn, [apart(batch) if id(batch) in again else batch for batch in batches], lines)
    return Written(len(items), len(repeated), len(too_old))


def _counted(items: list[Placed], found: dict[events.Id, datetime]) -> set[int]:
    """Batches (by `id`) that are in the tables already, with what was refused beside them.

    Redis may have taken a batch and its answer been lost: it comes once by the direct road and once by the
    stream. One of its events that was stored has the batch's own moment of arrival; a repeat that the sender
    made has another.
    """
    if not found:
        return set()
    arrived = {id(item.batch): datetime.fromtimestamp(item.batch.received_at, UTC) for item in items}
    return {
        id(item.batch)
        for item in items
        if not item.batch.is_import and found.get(events.id_of(item)) == arrived[id(item.batch)]
    }


def _count(lines: Counter[ledger.Line], outcome: str, items: list[Placed], reason: str = "") -> None:
    by_batch = {id(item.batch): item.batch for item in items}
    for key, number in Counter(id(item.batch) for item in items).items():
        lines[ledger.line_of(by_batch[key], outcome, reason)] += number


def _placed(batches: list[Batch], lines: Counter[ledger.Line]) -> list[Placed]:
    """The events with their sites, in order of time. Those of a site that was deleted since are counted in LINES."""
    placed = []
    for batch in batches:
        site = sites.by_id(batch.site_id)
        if site is None:
            lines[ledger.line_of(batch, "dropped", DropReason.SITE_DELETED)] += len(batch.events)
            continue
        placed += [Placed.of(site, event, batch) for event in batch.events]
    return sorted(placed, key=lambda item: item.order)


def _young_enough(conn: psycopg.Connection, items: list[Placed]) -> tuple[list[Placed], list[Placed]]:
    """Those of which the site keeps events, and those that came too late.

    A live event counts by its age, long before the cleanup reaches its day (`ingest.retention.cuts`); an imported one
    may be of any age. Into a day that was counted for the last time nothing is written.
    """
    now = time.time()
    oldest = {site.id: now - site.events_days * 86_400 for site in {item.site.id: item.site for item in items}.values()}
    final = _closed_days(conn, items, now - LEAST_DAYS * 86_400)
    late = [
        item
        for item in items
        if (not item.batch.is_import and item.event.ts < oldest[item.site.id])
        or (item.site.id in final and _is_within(final[item.site.id], item.ts))
    ]
    if not late:
        return items, []
    gone = set(map(id, late))
    return [item for item in items if id(item) not in gone], late


def _closed_days(conn: psycopg.Connection, items: list[Placed], before: float) -> dict[int, list[closed.Span]]:
    """By site, of those that something is imported into, or that get what is older than BEFORE: no day that is younger
    was ever closed, and most batches cost no query."""
    days: dict[int, set[date]] = {}
    importing = {item.site.id for item in items if item.batch.is_import}
    for item in items:
        if item.batch.is_import or item.event.ts < before:
            days.setdefault(item.site.id, set()).add(item.ts.date())
    for site_id in sorted(importing):
        closed.take_turns(conn, site_id)
    return {site_id: closed.spans(conn, site_id, days[site_id]) for site_id in days}


def _is_within(spans: list[closed.Span], moment: datetime) -> bool:
    return any(start <= moment < end for start, end in spans)


def _unrepeated(items: list[Placed]) -> tuple[list[Placed], list[Placed]]:
    once: dict[events.Id, Placed] = {}
    repeated = []
    for item in items:
        if once.setdefault(events.id_of(item), item) is not item:
            repeated.append(item)
    return list(once.values()), repeated


def _store(conn: psycopg.Connection, items: list[Placed]) -> None:
    """Writes new events and all that follows from them."""
    sessions.adopt(conn, items)
    firsts = visitors.save(conn, items)
    folded = Fold(sessions.load(conn, items), origin_of).add(items)
    for row in (*folded.new, *folded.changed):
        row.is_new_visitor = row.seen_from <= firsts.at.get((row.site_id, row.visitor_id), row.seen_from)
    sessions.save(conn, folded)
    for key, into in folded.joined.items():
        events.move(conn, key, into)
    events.insert(conn, items, datetime.now(UTC))
    known = {item.site.id: item.site for item in items}
    marks.dirty(conn, _moments_of(known, folded.quarters) | _no_longer_new(conn, known, firsts))


def _moments_of(known: dict[int, KnownSite], quarters: set[Quarter]) -> set[tuple[KnownSite, datetime]]:
    return {(known[site], datetime.fromtimestamp(number * QUARTER_SECONDS, UTC)) for site, number in quarters}


def _no_longer_new(
    conn: psycopg.Connection, known: dict[int, KnownSite], firsts: visitors.Firsts
) -> set[tuple[KnownSite, datetime]]:
    if not firsts.moved:
        return set()
    changed = sessions.unmark_new(conn, {key: firsts.at[key] for key in firsts.moved})
    return {(known[site_id], started_at) for site_id, started_at in changed}
