"""Single events taken away: whole days where nobody needs them any more, rows in batches where somebody does."""

import time
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from ingest import partitions
from ingest.clock import DAY
from ingest.models import Site
from ingest.retention import archive, closing, cuts
from ingest.retention.cuts import midnight
from ingest.sites import KnownSite

BATCH = 10_000
PAUSE_SECONDS = 0.02  # after each batch, so that writers and readers come first
LIVE_DAYS = 9  # live events are up to 7 days old: a partition they may fall into stays, even if it is empty

# A leap from one site to the next over the index of (site_id, ts), instead of a read of the whole day.
SITES = """
WITH RECURSIVE leap AS (
  (SELECT site_id FROM {table} ORDER BY site_id LIMIT 1)
  UNION ALL
  SELECT (SELECT t.site_id FROM {table} t WHERE t.site_id > leap.site_id ORDER BY t.site_id LIMIT 1)
  FROM leap WHERE leap.site_id IS NOT NULL
)
SELECT site_id FROM leap WHERE site_id IS NOT NULL
"""
COUNT = "SELECT count(*) FROM {table} WHERE site_id = ANY(%s)"
DELETE = """
DELETE FROM {table} WHERE site_id = %(site)s
AND ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE site_id = %(site)s LIMIT %(most)s))
"""


def sites_in(conn: psycopg.Connection, day: date) -> list[int]:
    return [site_id for (site_id,) in conn.execute(_of(day, SITES)).fetchall()]


def count_in(conn: psycopg.Connection, day: date, site_ids: Collection[int]) -> int:
    [count] = conn.execute(_of(day, COUNT), (list(site_ids),)).fetchone() or [0]
    return int(count)


def _of(day: date, query: LiteralString) -> sql.Composed:
    return sql.SQL(query).format(table=sql.Identifier(partitions.name_of(day)))


class Present(NamedTuple):
    """The sites with rows in one day of UTC."""

    going: list[int]  # their rows may go
    waiting: list[int]  # may go by their age, but are not counted for good yet
    needed: list[int]

    @property
    def stays(self) -> bool:
        return bool(self.waiting or self.needed)


def present(conn: psycopg.Connection, day: date, now: datetime) -> Present:
    """A site that does not exist any more has nobody who could miss its rows."""
    found = Present([], [], [])
    there = sites_in(conn, day)
    known = {site.pk: site for site in Site.objects.filter(pk__in=there)}
    for site_id in there:
        _place(conn, day, now, site_id, known.get(site_id), found)
    return found


def _place(conn: psycopg.Connection, day: date, now: datetime, site_id: int, site: Site | None, found: Present) -> None:
    if site is not None and midnight(day) >= cuts.of(site, now).events:
        found.needed.append(site_id)
    elif site is None or closing.is_closed(conn, KnownSite.of(site), day):
        found.going.append(site_id)
    else:
        found.waiting.append(site_id)


def delete(conn: psycopg.Connection, day: date, site_id: int) -> Iterator[int]:
    """A batch at a time, each its own short transaction; how many rows each took."""
    while taken := conn.execute(_of(day, DELETE), {"site": site_id, "most": BATCH}).rowcount:
        yield taken
        time.sleep(PAUSE_SECONDS)


def remove(conn: psycopg.Connection, day: date, now: datetime) -> int | None:
    """Archives and drops the whole day, and returns how many rows it had; None when somebody needs it after all.

    Detached first: then nobody can write into it, what is looked at stays so, and what is archived is all there was.
    """
    partitions.detach(conn, day)
    found = present(conn, day, now)
    if found.stays:
        partitions.ensure(conn, [day])
        return None
    count = count_in(conn, day, found.going)
    try:
        archive.write(conn, day)
    except Exception:
        partitions.ensure(conn, [day])  # until the next run its rows are there for whoever asks for them
        raise
    return count if partitions.drop(conn, day) else None


def is_live(day: date, now: datetime) -> bool:
    return midnight(day) >= now - LIVE_DAYS * DAY
