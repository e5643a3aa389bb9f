"""The writer's loop: takes shards, reads their entries, writes them, acknowledges.

One turn never sleeps while there is work. What was read and not written stays pending in Redis and is read
again, by this process or by the one that takes the shard over; nothing is kept in memory between turns.
"""

import logging
import threading
import time

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection

from ingest import lease, quarantine, queue, writer
from ingest.event import Batch, apart
from ingest.lease import Lease
from ingest.queue import Entry

log = logging.getLogger(__name__)
WAIT_MS = 1_000  # for the first entry; also how often a lease is lengthened when nothing comes
ENTRIES = 50  # read at once: one may hold 5 MB, so more is read only while there is room
READ_BYTES = 32 << 20
PAUSE_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Drain:
    def __init__(self) -> None:
        self.name = lease.owner()
        self.leases: dict[int, Lease] = {}
        self.skipped: set[int] = set()  # shards in which entries were left
        self.stopping = threading.Event()
        self.stored = 0
        self.wrote_at = -1e9  # by time.monotonic(): long ago
        self.failures = 0

    def stop(self) -> None:
        self.stopping.set()

    def run(self) -> int:
        """Until `stop` is called. Returns how many events were stored."""
        while not self.stopping.is_set():
            try:
                self.turn()
                self.failures = 0
            except lease.Lost as error:
                log.warning("%s", error)
                self._release()  # the others too: taken anew in a moment, with what is pending
            except (psycopg.Error, DatabaseError, redis.RedisError) as error:
                self._pause(error)
        self._release()
        return self.stored

    def turn(self) -> int:
        """Takes what shards are free, then reads and writes each once. Returns the events stored."""
        shards = range(settings.INGEST_SHARDS)
        for shard in shards:
            if shard not in self.leases:
                self._take(shard)
        # With one shard the wait for news happens in Redis; with several each gets its share of it.
        wait_ms = max(1, WAIT_MS // max(1, len(self.leases)))
        before = self.stored
        for held in list(self.leases.values()):
            self._write_shard(held, wait_ms)
        if not self.leases:
            self.stopping.wait(WAIT_MS / 1000)
        return self.stored - before

    def _take(self, shard: int) -> None:
        conn = writer.connected()
        lease.limit(conn)
        held = lease.take(conn, shard, self.name)
        if held is None:
            return
        log.info("Writing shard %d (epoch %d).", shard, held.epoch)
        self.skipped.discard(shard)
        self.leases[shard] = held  # before Redis is asked: if it is away the lease must be given back
        self._ensure_group(held)

    def _ensure_group(self, held: Lease) -> None:
        if queue.ensure_group(held.shard):  # a new stream: its entries' ids may begin again
            self.leases[held.shard] = held._replace(applied=lease.NOTHING)
            lease.hold(writer.connected(), held, lease.NOTHING)

    def _write_shard(self, held: Lease, wait_ms: int) -> None:
        try:
            self._write_pending(held)
            entries = queue.fresh(held.shard, ENTRIES, wait_ms)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            log.warning("The stream of shard %d lost its group; made anew from its start.", held.shard)
            self._ensure_group(held)
            return
        if entries:
            self._write(held, self._linger(held, entries))
        else:
            lease.hold(writer.connected(), held)

    def _write_pending(self, held: Lease) -> None:
        """Entries that were read and not acknowledged: by the shard's last writer, or by one that has lost the
        shard and did not know it yet.

        One at or before `held.applied` may be in the tables. It is written once more all the same, since one
        that a writer without the shard read in passing lies there too.
        """
        if held.shard in self.skipped:
            return  # they would be read again every turn; whoever takes the shard looks through them once
        for entries in queue.pending(held.shard, ENTRIES):
            if entries:
                self._write(held, [_again(held, entry) for entry in entries])

    def _linger(self, held: Lease, entries: list[Entry]) -> list[Entry]:
        """Takes what is there, and waits for more when the last were written a moment ago: one transaction for
        many requests, and none of those that come seldom waits."""
        until = self.wrote_at + settings.INGEST_LINGER_MS / 1000
        while not _is_full(entries) and not self.stopping.is_set():
            rest_ms = int((until - time.monotonic()) * 1000)
            more = queue.fresh(held.shard, ENTRIES, rest_ms if rest_ms > 0 else None)
            if not more and rest_ms <= 0:
                break
            entries += more
        self.wrote_at = time.monotonic()
        return entries

    def _write(self, held: Lease, entries: list[Entry]) -> None:
        readable = [entry for entry in entries if entry.batches is not None]
        self._set_broken_aside(held, entries)
        if left := sum(entry.batches is None and entry.broken is None for entry in entries):
            self.skipped.add(held.shard)
            log.error("%d entries cannot be read by this version; left pending.", left)
        for block in _blocks(readable):
            batches = [batch for entry in block for batch in entry.batches or ()]
            # Past an entry that was left, "all up to here is written" would no longer be true.
            # Nor is what was written before a crash any less true while it is read again.
            last = None if held.shard in self.skipped else lease.later(held.applied, block[-1].id)
            self.stored += self._commit(held, batches, last)
            queue.acknowledge(held.shard, [entry.id for entry in block])

    def _set_broken_aside(self, held: Lease, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.broken is not None:
                quarantine.set_broken_aside(entry.broken, lambda conn: lease.hold(conn, held))
                queue.acknowledge(held.shard, [entry.id])

    def _commit(self, held: Lease, batches: list[Batch], last: str | None) -> int:
        started = time.monotonic()
        written = quarantine.write(
            batches, lambda conn: lease.hold(conn, held, last), guard=lambda conn: lease.hold(conn, held)
        )
        log.info(
            "Stored %d events, %d duplicates, of %d requests in %d ms.",
            written.stored, written.duplicates, len(batches), (time.monotonic() - started) * 1000,
        )  # fmt: skip
        return written.stored

    def _pause(self, error: Exception) -> None:
        pause = PAUSE_SECONDS[min(self.failures, len(PAUSE_SECONDS) - 1)]
        self.failures += 1
        said = str(error).strip().splitlines() or [type(error).__name__]
        log.warning("Trying again in %.1f s: %s", pause, said[0])
        # Read entries stay pending; taking the shards anew reads them first.
        self._release()
        connection.close()
        self.stopping.wait(pause)

    def _release(self) -> None:
        """Lets another writer begin at once."""
        for held in self.leases.values():
            try:
                lease.release(writer.connected(), held)
            except (psycopg.Error, DatabaseError):
                break  # the lease ends by itself
        self.leases.clear()


def _again(held: Lease, entry: Entry) -> Entry:
    if entry.batches is None or not lease.is_applied(held, entry.id):
        return entry
    # What was dropped and rejected at the door was counted with it.
    return entry._replace(batches=[apart(batch, is_again=True) for batch in entry.batches])


def _is_full(entries: list[Entry]) -> bool:
    events = sum(entry.events for entry in entries)
    return events >= settings.INGEST_BATCH_EVENTS or sum(entry.size for entry in entries) >= READ_BYTES


def _blocks(entries: list[Entry]) -> list[list[Entry]]:
    """In order, each of at most INGEST_BATCH_EVENTS events (or of one entry)."""
    blocks: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not blocks or entry.events > room:
            blocks.append([])
            room = settings.INGEST_BATCH_EVENTS
        blocks[-1].append(entry)
        room -= entry.events
    return blocks
