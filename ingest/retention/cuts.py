"""From when on a site keeps what. Pure.

Days that lie before a cut go. The writer refuses a live event that is older than its site keeps events, by its own
clock; a cut lies at least MARGIN before that. So nothing is written behind a cleanup's back: a local day that begins
before the cut has 25 hours at most, and a process may know a site as it was half a minute ago.
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from ingest.clock import DAY
from ingest.models import Site
from ingest.rollups.buckets import day_of, today

MARGIN = timedelta(hours=26)
HOURLY_DAYS = 90  # of hourly rows; their days stay
BREAKDOWN_DAYS = 1  # of breakdowns by hour, beside today


class Cuts(NamedTuple):
    """Of one site. What lies before goes."""

    events: datetime  # a midnight of UTC, as the next
    sessions: datetime
    hours: datetime  # a midnight of the site's, as the next
    breakdowns: datetime
    aggregates: date | None  # a day of the site's; none: kept for ever


def of(site: Site, now: datetime) -> Cuts:
    here = today(site.zone, now)
    limit = site.aggregates_days
    aggregates = None if limit is None else today(site.zone, midnight_before(now, limit))
    return Cuts(
        events=midnight_before(now, site.events_days),
        sessions=midnight_before(now, max(site.sessions_days, site.events_days)),
        hours=day_of(site.zone, max(here - HOURLY_DAYS * DAY, aggregates or date.min)).start,
        breakdowns=day_of(site.zone, here - BREAKDOWN_DAYS * DAY).start,
        aggregates=aggregates,
    )


def midnight_before(now: datetime, days: int) -> datetime:
    """The last one of UTC that is DAYS and a margin ago."""
    return midnight((now.astimezone(UTC) - days * DAY - MARGIN).date())


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)
