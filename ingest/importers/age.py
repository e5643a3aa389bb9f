"""What of an import is older than its site keeps events and sessions; and keeping it all the same."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from django.db.models.functions import Greatest

from ingest import sites
from ingest.event import Event
from ingest.importers.run import Write
from ingest.models import Site
from ingest.models.sites import MOST_DAYS
from ingest.writer import Written

DAY = 86_400
GOES = "The next cleanup takes them away and leaves the figures; --keep keeps them."


class Ages:
    """Looks at every block of events before it is written, and counts those whose days have passed.

    With KEEP the site keeps from then on what the block holds; otherwise WARN is told once, before anything is stored,
    that the import begins with what will go.
    """

    def __init__(self, site: Site, now: float, warn: Callable[[str], object], *, keep: bool) -> None:
        self.site, self.now, self.warn, self.keep = site, now, warn, keep
        self.oldest: float | None = None
        self.past_events = self.past_sessions = 0

    def before(self, write: Write) -> Write:
        def looked_at(events: list[Event]) -> Written:
            self._look(events)
            return write(events)

        return looked_at

    def _look(self, events: list[Event]) -> None:
        oldest = min(event.ts for event in events)
        if self.keep:
            self._raise(math.ceil((self.now - oldest) / DAY) + 1)
        elif self.oldest is None and oldest < self._before(self.site.events_days):
            self.warn(self._warning(oldest))
        self.oldest = oldest if self.oldest is None else min(oldest, self.oldest)
        self.past_events += sum(event.ts < self._before(self.site.events_days) for event in events)
        self.past_sessions += sum(event.ts < self._before(self.site.sessions_days) for event in events)

    def _before(self, days: int) -> float:
        return self.now - days * DAY

    def _warning(self, oldest: float) -> str:
        return f"It begins with events of {datetime.fromtimestamp(oldest, UTC):%Y-%m-%d}. {self.keeping} {GOES}"

    @property
    def keeping(self) -> str:
        return (
            f"{self.site} keeps events for {self.site.events_days:,} days and sessions for {self.site.sessions_days:,}."
        )

    def told(self) -> str | None:
        """A sentence with the numbers, at the end; None when nothing is older."""
        if not self.past_events:
            return self.keeping if self.keep else None
        return (
            f"{self.past_events:,} events are older than the site keeps events, {self.past_sessions:,} of them older "
            f"than it keeps sessions. {self.keeping} {GOES}"
        )

    def _raise(self, days: int) -> None:
        """No keeping is ever shortened here."""
        days = min(days, MOST_DAYS)
        if days <= self.site.events_days:
            return
        rows = Site.objects.filter(pk=self.site.pk)
        rows.update(events_days=Greatest("events_days", days), sessions_days=Greatest("sessions_days", days))
        rows.exclude(aggregates_days=None).update(aggregates_days=Greatest("aggregates_days", days))
        self.site.refresh_from_db()
        sites.forget()
