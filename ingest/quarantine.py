"""Events that the database refuses: found by halving the batch, set aside, and the rest is written.

Only errors of the values themselves (SQLSTATE classes 22, 23, 54) are an event's fault; everything else is the
database's and is tried again by the caller, for ever if need be. `ingest.replay` writes them again.
"""

import logging
from collections import Counter
from collections.abc import Callable

import msgspec
import psycopg
from django.db import connection

from ingest.event import Batch, apart
from ingest.models import Quarantine
from ingest.store import ledger
from ingest.writer import Written, connected
from ingest.writer import write as write_whole

log = logging.getLogger(__name__)
FAULTS = ("22", "23", "54")
OURS = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
NO_SITE = 0
INTERNAL = "XX000"  # internal_error
UNREADABLE = "22P03"  # invalid_binary_representation

Inside = Callable[[psycopg.Connection], None]


def nothing(_: psycopg.Connection) -> None:
    """Takes no part in a transaction."""


def write(batches: list[Batch], claim: Inside = nothing, guard: Inside = nothing) -> Written:
    """As `writer.write`, but never stopped by an event. CLAIM takes part in the last transaction only: what
    it notes as written is then written whole. GUARD takes part in those before it."""
    try:
        return write_whole(batches, claim)
    except (psycopg.Error, *OURS) as error:
        if not is_fault(error):
            raise
        halves = _halves(batches)
        if halves is None:
            return _set_aside(batches[0], error, claim)
    first = write(halves[0], guard, guard)
    second = write(halves[1], claim, guard)
    return Written(*map(sum, zip(first, second, strict=True)))


def is_fault(error: Exception) -> bool:
    """Whether a value is to blame: the server says so, it cannot even be sent (no SQLSTATE then), or our own code
    fails on it, which must not stop all that comes after it."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate[:2] in FAULTS
    return isinstance(error, (psycopg.DataError, *OURS))


def _halves(batches: list[Batch]) -> tuple[list[Batch], list[Batch]] | None:
    if len(batches) > 1:
        middle = len(batches) // 2
        return batches[:middle], batches[middle:]
    batch, middle = batches[0], len(batches[0].events) // 2
    if len(batch.events) < 2:
        return None
    left = msgspec.structs.replace(batch, events=batch.events[:middle])
    return [left], [apart(batch, events=batch.events[middle:])]


def _set_aside(batch: Batch, error: Exception, claim: Inside) -> Written:
    conn = connection.connection
    state, detail = said(error)
    ours = state == INTERNAL
    log.error("Set an event of site %d aside: SQLSTATE %s.", batch.site_id, state, exc_info=error if ours else None)
    with conn.transaction():
        claim(conn)
        Quarantine.objects.create(
            site_id=batch.site_id, sqlstate=state, detail=detail[:500], entry=msgspec.msgpack.encode(batch)
        )
        ledger.write(conn, [batch], counted([batch], state))
    return Written(0, 0)


def counted(batches: list[Batch], state: str) -> Counter[ledger.Line]:
    lines: Counter[ledger.Line] = Counter()
    for batch in batches:
        lines[ledger.line_of(batch, "quarantined", state)] += len(batch.events)
    return lines


def set_broken_aside(entry: bytes, guard: Inside = nothing) -> None:
    """An entry of the stream that says it is of this version and cannot be read: nobody's, so it is in no count.
    The same bytes are kept once, however often they come."""
    log.error("Set an entry of %d bytes aside that cannot be read.", len(entry))
    with connected().transaction():
        guard(connection.connection)
        if not Quarantine.objects.filter(site_id=NO_SITE, entry=entry).exists():
            Quarantine.objects.create(
                site_id=NO_SITE, sqlstate=UNREADABLE, detail="The entry cannot be read.", entry=entry
            )


def said(error: Exception) -> tuple[str, str]:
    """SQLSTATE and sentence; of a value that cannot be sent `data_exception`, where our code fails `internal_error`."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate, error.diag.message_primary or ""
    if isinstance(error, psycopg.DataError | ValueError | OverflowError):
        return "22000", str(error).replace("\0", "")
    return INTERNAL, f"{type(error).__name__}: {error}".replace("\0", "")
