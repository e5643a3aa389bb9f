"""A shield and what is stored already: what it would have dropped, and taking that away.

What is taken away changes its outcome in the ledger, in the hour it came in: stored becomes dropped, with the
rule's reason, and what was received is still the sum of what became of it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from django.db.models import F, Q

from ingest import rules, withdrawal, writer
from ingest.models import Shield, Site
from ingest.sites import KnownSite
from ingest.steps import BLOCKS
from ingest.store import closed, ledger, removal
from ingest.withdrawal import Taken

log = logging.getLogger(__name__)
DAYS = 30
SECONDS = 10  # that a preview may take
ALIVE = timedelta(minutes=5)  # without a sign of life for longer, whoever applied a rule has died
REASONS = {kind: reason for kind, reason, _ in BLOCKS}


class NotKept(Exception):  # noqa: N818
    """The rule speaks of what is not stored, so the past cannot be asked."""

    def __init__(self, shield: Shield) -> None:
        super().__init__(
            f"{shield.value}: addresses are not kept, so the past cannot be searched for them. "
            "The rule is in force for what comes."
        )


class TooLong(Exception):  # noqa: N818
    def __init__(self, days: int) -> None:
        super().__init__(f"The last {days} days take over {SECONDS} s to search. Ask for fewer days.")


class Preview(NamedTuple):
    """What a rule covers of the events since then; `sessions` lose some of theirs, `whole_sessions` all."""

    events: int
    page_views: int
    sessions: int
    visitors: int
    whole_sessions: int
    since: datetime


class Applied(NamedTuple):
    """How many events were taken away, from how many sessions, and how many hours have other figures now."""

    events: int = 0
    sessions: int = 0
    hours: int = 0


Progress = Callable[[int, int], None]  # days done, days in all


def since_days(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def preview(site: Site, shield: Shield, days: int = DAYS) -> Preview:
    """Reads only; SHIELD need not be saved. Raises NotKept, TooLong, or ValidationError for a value that is none."""
    reach = _reach(site.pk, shield, since_days(days))
    conn = writer.connected()
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('statement_timeout', %s, true)", (f"{SECONDS}s",))
            found = removal.preview(conn, reach)
            conn.execute("SET LOCAL statement_timeout TO DEFAULT")
    except psycopg.errors.QueryCanceled as error:
        raise TooLong(days) from error
    return Preview(*found, reach.since)


def _reach(site_id: int, shield: Shield, since: datetime) -> removal.Reach:
    if shield.kind == Shield.Kind.ADDRESS:
        raise NotKept(shield)
    value = rules.normal(shield.kind, shield.value)
    return removal.Reach(site_id, removal.condition_of(shield.kind, value), since)


def claim(shield: Shield) -> bool:
    """Whether nobody is applying the rule; then the caller is from now on, and must."""
    now = datetime.now(UTC)
    idle = Q(applying_at=None) | Q(applying_at__lte=now - ALIVE)
    return Shield.objects.filter(idle, pk=shield.pk).update(applying_at=now) == 1


def is_site_busy(shield: Shield) -> bool:
    """Whether another rule of its site is being applied."""
    others = Shield.objects.filter(site=shield.site_id).exclude(pk=shield.pk)
    return others.filter(applying_at__gt=datetime.now(UTC) - ALIVE).exists()


def apply(site: Site, shield: Shield, since: datetime, progress: Progress = lambda done, days: None) -> Applied:
    """Takes away what SHIELD covers of the events from SINCE on, day by day, 5,000 sessions a transaction.

    May run beside writers and beside itself, may be stopped at any moment and run again: what is gone is gone,
    and a second run finds nothing. Raises NotKept, or what PostgreSQL says.
    """
    row, done, hours = Shield.objects.filter(pk=shield.pk), Applied(), set[datetime]()
    row.update(applying_at=datetime.now(UTC))
    try:
        reach, known = _reach(site.pk, shield, since), KnownSite.of(site)
        days = list(_days(since))
        for number, (start, end) in enumerate(days, 1):
            for ids in withdrawal.blocks(removal.find(writer.connected(), reach, start, end)):
                taken = _taken(known, shield, reach, ids)
                hours |= taken.hours
                done = Applied(done.events + taken.events, done.sessions + taken.sessions, len(hours))
            row.update(applying_at=datetime.now(UTC))
            progress(number, len(days))
        row.update(applied_at=datetime.now(UTC))
    finally:
        row.update(applying_at=None)
    log.info("Shield %d took %d events from %d sessions of site %d.", shield.pk, done.events, done.sessions, site.pk)
    return done


def _days(since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days (UTC), so that each step reads one partition; an event may be dated up to a day ahead."""
    start, end = since, datetime.now(UTC) + timedelta(days=1)
    while start < end:
        midnight = (start + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        yield start, midnight
        start = midnight


def _taken(site: KnownSite, shield: Shield, reach: removal.Reach, ids: list[int]) -> Taken:
    return withdrawal.settled(lambda conn: _take(conn, site, shield, reach, ids))


def _take(conn: psycopg.Connection, site: KnownSite, shield: Shield, reach: removal.Reach, ids: list[int]) -> Taken:
    closed.take_turns(conn, site.id)  # first: whoever imports holds no visitor while they wait for this
    taken = withdrawal.take(conn, site, reach, removal.hold(conn, reach, ids))
    if taken is None:
        return Taken(0, 0, set(), [])
    _count(conn, shield, taken.received)
    Shield.objects.filter(pk=shield.pk).update(
        applied_events=F("applied_events") + taken.events, applying_at=datetime.now(UTC)
    )
    return taken


def _count(conn: psycopg.Connection, shield: Shield, received: list[datetime]) -> None:
    """What was stored is dropped now, in the hour it came in; the rule has hit it."""
    hours = Counter(at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) for at in received)
    lines: Counter[ledger.Line] = Counter()
    for hour, count in hours.items():
        lines[shield.site_id, hour, "stored", ""] -= count
        lines[shield.site_id, hour, "dropped", REASONS[shield.kind]] += count
    ledger.add(conn, ledger.COUNT, lines)
    ledger.add(conn, ledger.HIT, Counter({(shield.site_id, shield.pk, hour): n for hour, n in hours.items()}))
