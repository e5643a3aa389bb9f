"""What became of every event: counts by outcome and reason, and of those not counted which rule, which bot, samples.

Per site and hour, received = stored + duplicate + dropped + rejected + quarantined. Written in the transaction of
the events themselves, in key order, so that writers cannot wait for each other in a circle.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from ingest.event import Batch

Line = tuple[int, datetime, str, str]  # site, hour, outcome, reason

COUNT = """
INSERT INTO ingest_count AS c (site_id, hour, outcome, reason, events)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (site_id, hour, outcome, reason) DO UPDATE SET events = c.events + excluded.events
"""
HIT = """
INSERT INTO ingest_shield_hit AS h (site_id, shield_id, hour, events)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (site_id, shield_id, hour) DO UPDATE SET events = h.events + excluded.events
"""
BOT = """
INSERT INTO ingest_bot_count AS b (site_id, hour, kind, name, events)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (site_id, hour, kind, name) DO UPDATE SET events = b.events + excluded.events
"""
SAMPLE = """
INSERT INTO ingest_sample (site_id, received_at, outcome, reason, detail, name, page, user_agent, event)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def line_of(batch: Batch, outcome: str, reason: str = "") -> Line:
    return batch.site_id, hour_of(batch), outcome, reason


def hour_of(batch: Batch) -> datetime:
    """Counted in the hour (UTC) of arrival."""
    return datetime.fromtimestamp(batch.received_at, UTC).replace(minute=0, second=0, microsecond=0)


def write(conn: psycopg.Connection, batches: Iterable[Batch], lines: Counter[Line]) -> None:
    """LINES, and what was refused of BATCHES at the door."""
    batches = list(batches)
    add(conn, COUNT, lines + _refused(batches))
    add(conn, HIT, _hits(batches))
    add(conn, BOT, _bots(batches))
    samples = [row for batch in batches for row in _samples(batch)]
    if samples:
        conn.cursor().executemany(SAMPLE, samples)


def add(conn: psycopg.Connection, statement: str, counts: Counter[Any]) -> None:
    """Adds COUNTS, which may be negative where events change their outcome, by one of the statements above."""
    rows = [(*key, events) for key, events in sorted(counts.items()) if events]
    if rows:
        conn.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _refused(batches: list[Batch]) -> Counter[Line]:
    lines: Counter[Line] = Counter()
    for batch in batches:
        for outcome, reasons in batch.outcomes.items():
            for reason, events in reasons.items():
                lines[line_of(batch, outcome, reason)] += events
    return lines


def _hits(batches: list[Batch]) -> Counter[tuple[int, int, datetime]]:
    hits: Counter[tuple[int, int, datetime]] = Counter()
    for batch in batches:
        for shield, events in batch.hits.items():
            hits[batch.site_id, shield, hour_of(batch)] += events
    return hits


def _bots(batches: list[Batch]) -> Counter[tuple[int, datetime, str, str]]:
    found: Counter[tuple[int, datetime, str, str]] = Counter()
    for batch in batches:
        for kind, names in batch.bots.items():
            for name, events in names.items():
                found[batch.site_id, hour_of(batch), kind, name] += events
    return found


def _samples(batch: Batch) -> Iterator[tuple[Any, ...]]:
    at = datetime.fromtimestamp(batch.received_at, UTC)
    for one in batch.samples:
        said = one.outcome, one.reason, one.detail, one.name, one.page, one.user_agent, one.event
        yield batch.site_id, at, *said
