"""What a batch leaves beside its rows: dirty hours and counts."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import psycopg

from ingest.event import Batch
from ingest.sites import KnownSite

Line = tuple[int, datetime, str, str]  # site, hour, outcome, reason

DIRTY = "INSERT INTO ingest_dirty_hour (site_id, hour) SELECT * FROM unnest(%s::bigint[], %s::timestamptz[])"
COUNT = """
INSERT INTO ingest_count AS c (site_id, hour, outcome, reason, events)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (site_id, hour, outcome, reason) DO UPDATE SET events = c.events + excluded.events
"""


def hour_of(site: KnownSite, moment: datetime) -> datetime:
    """The start of the hour of the site's own clock, as an instant: at :15 past in Kathmandu (+5:45)."""
    offset = site.zone.utcoffset(moment.astimezone(site.zone)) or timedelta()
    local = moment.astimezone(UTC) + offset
    return local.replace(minute=0, second=0, microsecond=0) - offset


def dirty(conn: psycopg.Connection, moments: Iterable[tuple[KnownSite, datetime]]) -> None:
    """Marks the hours, each once."""
    hours = sorted({(site.id, hour_of(site, moment)) for site, moment in moments})
    if hours:
        conn.execute(DIRTY, ([site for site, _ in hours], [hour for _, hour in hours]))


def count(conn: psycopg.Connection, lines: Counter[Line]) -> None:
    """Adds to the counts, in key order."""
    rows = [(*line, events) for line, events in sorted(lines.items()) if events]
    if rows:
        conn.execute(COUNT, [list(column) for column in zip(*rows, strict=True)])


def line_of(batch: Batch, outcome: str, reason: str = "") -> Line:
    """Counted in the hour (UTC) of arrival."""
    hour = datetime.fromtimestamp(batch.received_at, UTC).replace(minute=0, second=0, microsecond=0)
    return batch.site_id, hour, outcome, reason


def refused_at_the_door(batches: Iterable[Batch]) -> Counter[Line]:
    lines: Counter[Line] = Counter()
    for batch in batches:
        for outcome, reasons in batch.outcomes.items():
            for reason, events in reasons.items():
                lines[line_of(batch, outcome, reason)] += events
    return lines
