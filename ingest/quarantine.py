"""Events that the database refuses: found by halving the batch, set aside, and the rest is written.

Only errors of the values themselves (SQLSTATE classes 22, 23, 54) are an event's fault; everything else is the
database's and is tried again by the caller, for ever if need be.
"""

import logging
from collections.abc import Callable

import msgspec
import psycopg
from django.db import connection

from ingest.event import Batch
from ingest.models import Quarantine
from ingest.store import marks
from ingest.writer import Written
from ingest.writer import write as write_whole

log = logging.getLogger(__name__)
FAULTS = ("22", "23", "54")

Inside = Callable[[psycopg.Connection], None]


def write(batches: list[Batch], inside: Inside) -> Written:
    """As `writer.write`, but never stopped by an event. INSIDE takes part in the last transaction only: what
    it notes as written is then written whole."""
    try:
        return write_whole(batches, inside)
    except psycopg.Error as error:
        if not is_fault(error):
            raise
        halves = _halves(batches)
        if halves is None:
            return _set_aside(batches[0], error, inside)
    first = write(halves[0], _nothing)
    second = write(halves[1], inside)
    return Written(first.stored + second.stored, first.duplicates + second.duplicates)


def is_fault(error: psycopg.Error) -> bool:
    return (error.sqlstate or "")[:2] in FAULTS


def _nothing(_: psycopg.Connection) -> None:
    """The first half may be written by anyone, any number of times: it is claimed by nobody."""


def _halves(batches: list[Batch]) -> tuple[list[Batch], list[Batch]] | None:
    if len(batches) > 1:
        middle = len(batches) // 2
        return batches[:middle], batches[middle:]
    batch, middle = batches[0], len(batches[0].events) // 2
    if len(batch.events) < 2:
        return None
    left = msgspec.structs.replace(batch, events=batch.events[:middle])
    return [left], [msgspec.structs.replace(batch, events=batch.events[middle:], outcomes={})]


def _set_aside(batch: Batch, error: psycopg.Error, inside: Inside) -> Written:
    conn = connection.connection
    log.error("Set an event of site %d aside: SQLSTATE %s.", batch.site_id, error.sqlstate)
    with conn.transaction():
        inside(conn)
        Quarantine.objects.create(
            site_id=batch.site_id,
            sqlstate=error.sqlstate or "",
            detail=(error.diag.message_primary or "")[:500],
            entry=msgspec.msgpack.encode(batch),
        )
        lines = marks.refused_at_the_door([batch])
        lines[marks.line_of(batch, "quarantined", error.sqlstate or "")] += len(batch.events)
        marks.count(conn, lines)
    return Written(0, 0)
