"""How the writer looks for events that are stored already."""

import uuid
from datetime import UTC, datetime

from psycopg import sql

from ingest import partitions, writer
from ingest.store import copying, events, plain

FILL = """
INSERT INTO {day} (site_id, session_id, visitor_id, ts, received_at, processed_at, id, name)
SELECT 1, 1, 1, %(at)s + number * interval '1 ms', %(at)s, %(at)s, gen_random_uuid(), 'a'
FROM generate_series(1, 20000) AS number
"""


def test_a_day_without_statistics_is_searched_by_ids(db: None) -> None:
    """As every day is in its first minutes; by time each id would cost all that the site has in that day."""
    conn, today = writer.connected(), datetime.now(UTC).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    conn.execute(sql.SQL(FILL).format(day=sql.Identifier(partitions.name_of(today))), {"at": midnight})
    sought = copying.array([1] * 2000), copying.array([uuid.uuid4() for _ in range(2000)])
    plan = plain.fetch(conn, sql.SQL("EXPLAIN ") + events.find_in([today]), sought)
    said = "\n".join(line for (line,) in plan)
    assert "_ts_idx" not in said
