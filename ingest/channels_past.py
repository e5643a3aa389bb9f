"""Source and channel of stored sessions, found again by today's lists and rules from what is kept.

Kept are, in a session, its referrer, its UTMs and the ids of clicks; and, in its first event, as much of the
page's query as tells a source. A session that an import gave a source, and nothing to find it from, stays as it is.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psycopg
from psycopg.rows import class_row

from ingest.enrich import channel, source
from ingest.sessions import HALF_HOUR
from ingest.sites import KnownSite
from ingest.store import closed, marks, plain

SESSIONS = 2_000  # in one transaction


class Kept(NamedTuple):
    """A session, with the query of its first event; that is None too where the event is gone."""

    id: int
    started_at: datetime
    seen_from: datetime
    seen_until: datetime
    source: str
    channel: str
    hostname: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    click_ids: dict[str, str] | None
    query: str | None


class Found(NamedTuple):
    source: str
    channel: str


class Done(NamedTuple):
    """`changes` counts sessions by their channel before and after; equal where only the source is another."""

    sessions: int
    changes: Counter[tuple[str, str]]


PLACES = """
SELECT started_at, id FROM ingest_session
WHERE site_id = %(site)s AND (started_at, id) > (%(after)s, %(id)s) AND started_at < %(until)s
ORDER BY started_at, id LIMIT %(most)s
"""
# Locked in the order of ids, as the writer does, or the two could wait for one another.
ROWS = """
SELECT s.id, s.started_at, s.seen_from, s.seen_until, s.source, s.channel, s.hostname, s.referrer, s.utm_source,
       s.utm_medium, s.utm_campaign, s.utm_term, s.utm_content, s.click_ids, e.query
FROM (SELECT * FROM ingest_session WHERE site_id = %(site)s AND id = ANY(%(ids)s) ORDER BY id FOR UPDATE) s
LEFT JOIN ingest_event e ON e.site_id = s.site_id AND e.id = s.first_event AND e.ts = s.started_at
"""
UPDATE = """
UPDATE ingest_session s SET source = c.source, channel = c.channel
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS c(id, source, channel) WHERE s.site_id = %s AND s.id = c.id
"""


def found_again(kept: Kept) -> Found:
    """By what the session itself says; of its first event only what a session has no place for (`ref`, `source`)."""
    stated = {name: value for name in source.CAMPAIGN if (value := getattr(kept, name)) is not None}
    query = kept.query or (urlencode(kept.click_ids) if kept.click_ids else None)
    acquired = source.acquisition_of(kept.referrer, query, kept.hostname, stated)
    if kept.source != source.DIRECT and not (kept.referrer or stated or source.parameters(query)):
        return Found(kept.source, kept.channel)
    return Found(acquired.source, channel.channel_of(acquired))


def recompute(
    conn: psycopg.Connection, site: KnownSite, since: datetime, until: datetime, *, is_dry: bool = False
) -> Iterator[Done]:
    """Of the sessions that began from SINCE up to UNTIL, a block in each transaction. Run again, it changes nothing.

    Raises psycopg.Error; what was done until then stays done.
    """
    after, last = since, -(1 << 63)
    while True:
        with conn.transaction():
            values = {"site": site.id, "after": after, "id": last, "until": until, "most": SESSIONS}
            places = conn.execute(PLACES, values).fetchall()
            if not places:
                return
            done = _block(conn, site, [id_ for _, id_ in places], is_dry)
        after, last = places[-1]
        yield done


def _block(conn: psycopg.Connection, site: KnownSite, ids: list[int], is_dry: bool) -> Done:
    if not is_dry:
        closed.take_turns(conn, site.id)  # first, as an import does
    rows = plain.fetch(conn, ROWS, {"site": site.id, "ids": ids}, class_row(Kept))
    changed = [(kept, found) for kept in rows if (found := found_again(kept)) != (kept.source, kept.channel)]
    if changed and not is_dry:
        _save(conn, site, changed)
    return Done(len(rows), Counter((kept.channel, found.channel) for kept, found in changed))


def _save(conn: psycopg.Connection, site: KnownSite, changed: list[tuple[Kept, Found]]) -> None:
    columns: list[Any] = [
        [kept.id for kept, _ in changed],
        [found.source for _, found in changed],
        [found.channel for _, found in changed],
    ]
    conn.execute(UPDATE, [*columns, site.id])
    marks.dirty(conn, {(site, hour) for kept, _ in changed for hour in _hours(kept)})


def _hours(kept: Kept) -> Iterator[datetime]:
    """A moment in each hour that the session's events may lie in: all of them are broken down by its source."""
    moment = kept.seen_from
    while moment < kept.seen_until:
        yield moment
        moment += timedelta(seconds=HALF_HOUR)  # all there may be of an hour in which clocks are set
    yield kept.seen_until
