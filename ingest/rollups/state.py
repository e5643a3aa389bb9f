"""How far a site's aggregates go, and what happens when its days become those of another time zone."""

from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

from ingest.clock import hour_start
from ingest.models import RollupState, Site
from ingest.rollups import rows
from ingest.rollups.buckets import today
from ingest.sites import KnownSite
from ingest.writer import connected

FINAL_UNTIL = "SELECT max(ends_at) FROM ingest_daily_total WHERE site_id = %s AND is_final"
LOCK = "SELECT 1 FROM ingest_rollup_state WHERE site_id = %s FOR UPDATE"  # waits for whoever builds a day
CLEAR_DAYS = sql.SQL("""
DELETE FROM {table} WHERE site_id = %(site)s AND day NOT IN (
  SELECT day FROM ingest_daily_total WHERE site_id = %(site)s AND is_final
)
""")
# Hours with events alone: of a site with a few old days the years between are not to be counted.
MARK = """
INSERT INTO ingest_dirty_hour (site_id, hour)
SELECT DISTINCT site_id, date_trunc('hour', ts, 'UTC') FROM ingest_event
WHERE site_id = %s AND ts >= coalesce(%s::timestamptz, '-infinity')
"""


def of(site: KnownSite, now: datetime) -> RollupState:
    """As it stands, but never ahead of NOW. A site without one begins now: all it had before is marked dirty.

    Of another zone still where SITE was read before its zone was changed: nothing can be built for it then.
    """
    here = today(site.zone, now)
    fresh = {"zone": site.zone.key, "hours_until": hour_start(site.zone, now), "days_until": here}
    found, _ = RollupState.objects.get_or_create(site_id=site.id, defaults=fresh)
    if found.zone != site.zone.key:
        with connected().transaction():
            connected().execute(LOCK, (site.id,))
            if Site.objects.filter(pk=site.id, timezone=site.zone.key).exists():
                _rezone(connected(), site, now)
                RollupState.objects.filter(site_id=site.id).update(**fresh)
        found.refresh_from_db()
    elif found.hours_until > now or found.days_until > here:
        # The machine's clock was ahead: what was built as over is still open, and is built again when it closes.
        RollupState.objects.filter(site_id=site.id, zone=site.zone.key).update(**fresh)
        found.refresh_from_db()
    return found


def advance(site: KnownSite, *, hours_until: datetime | None = None, days_until: date | None = None) -> None:
    """Never back: another run may have come further. Not by the clock of a zone that the site has no more."""
    moved = RollupState.objects.filter(site_id=site.id, zone=site.zone.key)
    if hours_until is not None:
        moved.filter(hours_until__lt=hours_until).update(hours_until=hours_until)
    if days_until is not None:
        moved.filter(days_until__lt=days_until).update(days_until=days_until)


def _rezone(conn: psycopg.Connection, site: KnownSite, now: datetime) -> None:
    """Marks all that can still be counted, and takes its buckets away: they are of another clock.

    Days whose raw rows are gone stay as they are, in the zone they were counted in.
    """
    [final] = conn.execute(FINAL_UNTIL, (site.id,)).fetchone() or [None]
    rows.clear_hours(conn, site.id, final or datetime.min.replace(tzinfo=now.tzinfo), now + timedelta(days=2))
    # The totals last: they say which days are final.
    for table in reversed(rows.DAILY):
        conn.execute(CLEAR_DAYS.format(table=sql.Identifier(table)), {"site": site.id})
    conn.execute(MARK, (site.id, final))
