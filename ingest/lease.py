"""Who writes a shard of the stream: a row with an owner, a number that grows with each owner, and an end.

Every batch transaction locks its row at its own epoch first, so a writer that was paused, lost its shard and
woke up cannot commit. The row also keeps the last entry that is in the tables: what is delivered again after
a crash between commit and acknowledgement is known by it, and is not counted twice.
"""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

import psycopg

SECONDS = 10
NOTHING = "0-0"  # before the first entry


class Lost(Exception):  # noqa: N818
    """Another writer has the shard now."""


class Lease(NamedTuple):
    shard: int
    epoch: int
    applied: str  # id of the last entry that is in the tables


TAKE = """
INSERT INTO ingest_shard AS s (shard, owner, epoch, until, applied)
VALUES (%(shard)s, %(owner)s, 1, now() + %(seconds)s * interval '1 second', '0-0')
ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = s.epoch + 1, until = excluded.until
WHERE s.until < now() OR s.owner = ANY(%(gone)s)
      OR s.until > now() + 2 * %(seconds)s * interval '1 second'  -- the server's clock was set back
RETURNING epoch, applied
"""
HOLD = """
UPDATE ingest_shard SET until = now() + %(seconds)s * interval '1 second',
                        applied = coalesce(%(applied)s, applied)
WHERE shard = %(shard)s AND epoch = %(epoch)s
"""
RELEASE = "UPDATE ingest_shard SET until = now() WHERE shard = %s AND epoch = %s"


def owner() -> str:
    """A new name for a writer of this process: kernel start, namespace, process, its start, and a word of its own."""
    return f"{_machine()} {os.getpid()} {_started(os.getpid())} {secrets.token_hex(4)}"


def limit(conn: psycopg.Connection) -> None:
    """Makes the server end a writer's transaction that nobody goes on with: a process that was stopped in it
    would keep its shard's row locked for as long as it sleeps."""
    conn.execute("SET idle_in_transaction_session_timeout = '15s'")
    conn.execute("SET statement_timeout = '60s'")


def take(conn: psycopg.Connection, shard: int, name: str = "") -> Lease | None:
    """The shard for the writer NAME (a new one when left out), if nobody has it, its owner's time is over, its
    owner is a process of this machine that has ended, or NAME itself, which could not give it back when the
    database was away: no need to wait for the end of its time then."""
    name = name or owner()
    row = conn.execute("SELECT owner FROM ingest_shard WHERE shard = %s", (shard,)).fetchone()
    gone = [row[0]] if row and (row[0] == name or _has_ended(row[0])) else []
    values = {"shard": shard, "owner": name, "seconds": SECONDS, "gone": gone}
    try:
        with conn.transaction():
            conn.execute("SET LOCAL lock_timeout = '1s'")
            taken = conn.execute(TAKE, values).fetchone()
    except psycopg.errors.LockNotAvailable:
        return None  # its owner is in the middle of a batch
    return Lease(shard, taken[0], taken[1]) if taken else None


def hold(conn: psycopg.Connection, lease: Lease, applied: str | None = None) -> None:
    """Lengthens the lease and locks its row until the transaction ends; APPLIED is what the transaction
    writes. Raises Lost."""
    values = {"shard": lease.shard, "epoch": lease.epoch, "seconds": SECONDS, "applied": applied}
    if conn.execute(HOLD, values).rowcount == 0:
        raise Lost(f"Shard {lease.shard} has another writer.")


def release(conn: psycopg.Connection, lease: Lease) -> None:
    conn.execute(RELEASE, (lease.shard, lease.epoch))


def is_applied(lease: Lease, entry_id: str) -> bool:
    return _number(entry_id) <= _number(lease.applied)


def later(one: str, other: str) -> str:
    """Of two entries' ids."""
    return max(one, other, key=_number)


def _number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _machine() -> str:
    """Linux: this boot and this set of process numbers. Elsewhere: a word that is nobody else's."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"


def _started(pid: int) -> str:
    """When the process began, in clock ticks since boot; "" when there is none (or no /proc)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _has_ended(name: str) -> bool:
    machine, pid, started = [*name.split(" "), "", ""][:3]
    if machine == "unknown" or machine != _machine() or not pid.isdigit():
        return False
    return _started(int(pid)) != started
