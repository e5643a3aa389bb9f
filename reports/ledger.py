"""What became of the events that reached the door: small questions to the counts that the writer keeps.

Counts are kept by hour of arrival (UTC). An hour belongs to the step and the day in which it begins, so where a
zone is off UTC by part of an hour its days begin up to that much late. All raise QueryTimeout.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import sql

from reports.queries.query import Bucket, Period
from reports.queries.run import rows

UNCOUNTED = ("dropped", "rejected", "quarantined")
MOST_BOTS, MOST_SAMPLES = 10, 20  # bots of each kind, samples of each reason

STEPS = sql.SQL("""
SELECT width_bucket(hour, %(starts)s::timestamptz[]) - 1, outcome, reason, sum(events)::bigint
FROM ingest_count WHERE site_id = %(site)s AND hour >= %(start)s AND hour < %(end)s GROUP BY 1, 2, 3
""")
TOTAL = sql.SQL("""
SELECT coalesce(sum(events), 0)::bigint FROM ingest_count
WHERE site_id = %(site)s AND hour >= %(start)s AND hour < %(end)s AND outcome = ANY(%(outcomes)s)
""")
BOTS = sql.SQL("""
SELECT kind, name, events, of_kind FROM (
    SELECT kind, name, sum(events)::bigint AS events, sum(sum(events)) OVER (PARTITION BY kind)::bigint AS of_kind,
           row_number() OVER (PARTITION BY kind ORDER BY sum(events) DESC, name) AS place
    FROM ingest_bot_count WHERE site_id = %(site)s AND hour >= %(start)s AND hour < %(end)s GROUP BY kind, name
) ranked
WHERE place <= %(most)s ORDER BY events DESC, kind, name
""")
HITS = sql.SQL("""
SELECT shield_id, sum(events)::bigint, max(hour) FROM ingest_shield_hit
WHERE site_id = %(site)s AND hour >= %(start)s AND hour < %(end)s GROUP BY shield_id
""")
SAMPLES = sql.SQL("""
SELECT received_at, detail, name, page, user_agent, event FROM ingest_sample
WHERE site_id = %(site)s AND reason = %(reason)s AND outcome = %(outcome)s ORDER BY received_at DESC LIMIT %(most)s
""")


class Line(NamedTuple):
    """Events of one step, outcome and reason. `reason` is "" for what was stored or repeated."""

    step: int  # of the buckets asked for, from 0
    outcome: str
    reason: str
    events: int


class Bots(NamedTuple):
    """One bot; `of_kind` are the events of all bots of its kind, those that are not listed included."""

    kind: str
    name: str
    events: int
    of_kind: int


class Hits(NamedTuple):
    """Events that one rule dropped; `last` is the hour of the newest."""

    shield_id: int
    events: int
    last: datetime


class Kept(NamedTuple):
    """One event that was not counted, as far as it is kept; texts are the sender's own."""

    received_at: datetime
    detail: str
    name: str
    page: str
    user_agent: str
    event: str  # of a rejected one: as it was sent


def lines(site_id: int, steps: Sequence[Bucket]) -> list[Line]:
    starts = [step.start for step in steps]
    values = {"site": site_id, "starts": starts, "start": starts[0], "end": steps[-1].end}
    return [Line(*found) for found in rows(STEPS, values)]


def uncounted(site_id: int, period: Period) -> int:
    """Events that were dropped, rejected or set aside."""
    [(events,)] = rows(TOTAL, {**_between(site_id, period.start, period.end), "outcomes": list(UNCOUNTED)})
    return events


def bots(site_id: int, period: Period) -> list[Bots]:
    """Most first, the MOST_BOTS of each kind: a site meets hundreds."""
    values = {**_between(site_id, period.start, period.end), "most": MOST_BOTS}
    return [Bots(*found) for found in rows(BOTS, values)]


def hits(site_id: int, start: datetime, end: datetime) -> dict[int, Hits]:
    """By rule; one that dropped nothing is not there, one that was deleted since is."""
    return {found[0]: Hits(*found) for found in rows(HITS, _between(site_id, start, end))}


def samples(site_id: int, outcome: str, reason: str) -> list[Kept]:
    """Newest first, of any time."""
    values = {"site": site_id, "outcome": outcome, "reason": reason, "most": MOST_SAMPLES}
    return [Kept(*found) for found in rows(SAMPLES, values)]


def _between(site_id: int, start: datetime, end: datetime) -> dict[str, object]:
    return {"site": site_id, "start": start, "end": end}
