"""What happens now: small questions that are asked every few seconds, each answered from an index.

All raise QueryTimeout. NOW is read by the caller.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import sql

from ingest.event import PAGEVIEW
from reports.queries.run import rows

ACTIVE = timedelta(minutes=5)
AHEAD = timedelta(minutes=1)  # clocks of senders are corrected only beyond this much
MINUTES = 30

VISITORS = sql.SQL("""
SELECT site_id, count(DISTINCT visitor_id) FROM ingest_session
WHERE site_id = ANY(%(sites)s) AND last_activity > %(since)s AND last_activity <= %(until)s AND events > 0
GROUP BY site_id
""")
FIRST = sql.SQL("""
SELECT started_at FROM ingest_session WHERE site_id = %(site)s AND events > 0 ORDER BY started_at LIMIT 1
""")
LAST = sql.SQL("""
SELECT last_activity FROM ingest_session
WHERE site_id = %(site)s AND events > 0 ORDER BY last_activity DESC LIMIT 1
""")
STORED = sql.SQL("""
SELECT max(hour), coalesce(sum(events), 0)::bigint FROM ingest_count
WHERE site_id = %(site)s AND hour >= %(since)s AND outcome = 'stored'
""")
MINUTELY = sql.SQL("""
SELECT date_trunc('minute', ts) AS minute, count(*) FROM ingest_event
WHERE site_id = %(site)s AND ts >= %(since)s AND ts <= %(until)s AND name = %(pageview)s GROUP BY minute
""")


class Minute(NamedTuple):
    start: datetime
    pageviews: int


def visitors_now(site_id: int, now: datetime) -> int:
    """Different visitors with an event in the last five minutes."""
    return visitors_now_of([site_id], now)[site_id]


def visitors_now_of(site_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """The same for several sites, 0 included."""
    sites = list(site_ids)
    found = rows(VISITORS, {"sites": sites, "since": now - ACTIVE, "until": now + AHEAD})
    return {**dict.fromkeys(sites, 0), **dict(found)}


def first_event_at(site_id: int) -> datetime | None:
    """None while there was none that counts."""
    return next((moment for (moment,) in rows(FIRST, {"site": site_id})), None)


def last_event_at(site_id: int) -> datetime | None:
    return next((moment for (moment,) in rows(LAST, {"site": site_id})), None)


def version(site_id: int, now: datetime) -> str:
    """Changes with every batch that is stored, late events included; an open page asks for this alone."""
    [(hour, events)] = rows(STORED, {"site": site_id, "since": now - timedelta(hours=2)})
    return f"{hour:%d%H}-{events}" if hour else "0"


def views_by_minute(site_id: int, now: datetime) -> list[Minute]:
    """Page views of the last 30 minutes; the last one is still running."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    values = {"site": site_id, "since": first, "until": now + AHEAD, "pageview": PAGEVIEW}
    found = dict(rows(MINUTELY, values))
    starts = [first + timedelta(minutes=number) for number in range(MINUTES)]
    return [Minute(start, found.get(start, 0)) for start in starts]
