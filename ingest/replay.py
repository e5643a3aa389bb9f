"""Events in quarantine, written again: after a release that mends what the database refused.

Each is written as it stood in the stream, in one transaction with the end of its row, and moves in the counts of
the hour in which it arrived from `quarantined` to what became of it. Safe to repeat, and for several at once.
"""

import enum
import logging
from collections import Counter

import msgspec
import psycopg

from ingest import quarantine, writer
from ingest.event import Batch, apart
from ingest.models import Quarantine
from ingest.store import ledger

log = logging.getLogger(__name__)

TAKE = "DELETE FROM ingest_quarantine WHERE id = %s AND sqlstate = %s"
KEEP = "UPDATE ingest_quarantine SET sqlstate = %s, detail = %s WHERE id = %s AND sqlstate = %s"
UNCOUNT = """
UPDATE ingest_count SET events = events - %s
WHERE site_id = %s AND hour = %s AND outcome = %s AND reason = %s
"""
FORGET_NONE = (
    "DELETE FROM ingest_count WHERE site_id = %s AND hour = %s AND outcome = %s AND reason = %s AND events = 0"
)


class Outcome(enum.StrEnum):
    """What became of a row. The value is for people, behind a number."""

    WRITTEN = "written"
    REPEATED = "stored already"
    TOO_OLD = "too old to be stored by now"
    REFUSED = "refused again"
    UNREADABLE = "cannot be read by this version"
    GONE = "written by somebody else meanwhile"


def told(found: Counter[Outcome]) -> str:
    """`3 entries: 2 written, 1 refused again.`"""
    parts = [f"{count:,} {outcome}" for outcome, count in found.items()]
    entries = "1 entry" if found.total() == 1 else f"{found.total():,} entries"
    return f"{entries}{': ' if parts else ''}{', '.join(parts)}."


class _Gone(Exception):  # noqa: N818
    """Another replay was quicker."""


def replay(row: Quarantine, is_trial: bool = False) -> Outcome:
    """Writes the event of ROW. A trial tells what would happen and leaves everything as it is.

    Raises psycopg.Error or DatabaseError for anything that is not the event's fault.
    """
    batches = _batches(row)
    if batches is None:
        return Outcome.UNREADABLE
    with writer.connected().transaction(force_rollback=is_trial):
        return _replay(row, batches)


def _batches(row: Quarantine) -> list[Batch] | None:
    """What was refused alone, or an entry that could not be read when it came; None when it still cannot."""
    try:
        found = msgspec.msgpack.decode(bytes(row.entry), type=Batch | list[Batch])
    except (msgspec.MsgspecError, ValueError):  # ValueError: text that is no UTF-8
        return None
    # What was refused at the door beside it was counted when it was set aside.
    return [apart(found, is_again=False)] if isinstance(found, Batch) else found


def _replay(row: Quarantine, batches: list[Batch]) -> Outcome:
    def take(conn: psycopg.Connection) -> None:
        if conn.execute(TAKE, (row.pk, row.sqlstate)).rowcount == 0:
            raise _Gone
        _uncount(conn, row, batches)

    try:
        written = writer.write(batches, take)
    except _Gone:
        return Outcome.GONE
    except (psycopg.Error, *quarantine.OURS) as error:
        if not quarantine.is_fault(error):
            raise
        return _refused(row, batches, error)
    if written.too_old and not written.stored:
        return Outcome.TOO_OLD
    return Outcome.WRITTEN if written.stored else Outcome.REPEATED


def _refused(row: Quarantine, batches: list[Batch], error: Exception) -> Outcome:
    """Keeps the row, with the reason of today."""
    state, detail = quarantine.said(error)
    conn = writer.connected()
    with conn.transaction():
        if conn.execute(KEEP, (state, detail[:500], row.pk, row.sqlstate)).rowcount == 0:
            return Outcome.GONE
        if _uncount(conn, row, batches):
            ledger.write(conn, [], quarantine.counted(batches, state))
    return Outcome.REFUSED


def _uncount(conn: psycopg.Connection, row: Quarantine, batches: list[Batch]) -> bool:
    """Takes the events out of what is counted as quarantined. Whether they were: an entry that could not be
    read was of no site, and is in no count."""
    if row.site_id == quarantine.NO_SITE:
        return False
    for (site, hour, outcome, reason), events in quarantine.counted(batches, row.sqlstate).items():
        conn.execute(UNCOUNT, (events, site, hour, outcome, reason))
        conn.execute(FORGET_NONE, (site, hour, outcome, reason))
    return True
