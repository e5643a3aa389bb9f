"""The hours whose rows a batch has changed, so that what is derived from them is made again."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import psycopg

from ingest.sites import KnownSite

DIRTY = "INSERT INTO ingest_dirty_hour (site_id, hour) SELECT * FROM unnest(%s::bigint[], %s::timestamptz[])"


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
