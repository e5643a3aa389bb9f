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

from ingest import refold, rules, writer
from ingest.models import Shield, Site
from ingest.sessions import Folded, Placed, SessionRow
from ingest.sites import KnownSite
from ingest.steps import BLOCKS
from ingest.store import events, ledger, marks, removal, sessions

log = logging.getLogger(__name__)
DAYS = 30
SECONDS = 10  # that a preview may take
SESSIONS, EVENTS = 5_000, 100_000  # in one transaction, unless a single session has more
ATTEMPTS = 6
ALIVE = timedelta(minutes=5)  # without a sign of life for longer, whoever applied a rule has died
AGAIN = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)
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
            for ids in _blocks(removal.find(writer.connected(), reach, start, end)):
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


def _blocks(found: list[tuple[int, int]]) -> Iterator[list[int]]:
    """Sessions, found with their numbers of events: some have a few, one that a machine plays may have very many."""
    block, held = list[int](), 0
    for id_, count in found:
        if block and (len(block) == SESSIONS or held + count > EVENTS):
            yield block
            block, held = [], 0
        block.append(id_)
        held += count
    if block:
        yield block


class _Taken(NamedTuple):
    events: int
    sessions: int
    hours: set[datetime]


def _taken(site: KnownSite, shield: Shield, reach: removal.Reach, ids: list[int]) -> _Taken:
    for attempt in range(1, ATTEMPTS + 1):
        conn = writer.connected()
        try:
            with conn.transaction():
                return _take(conn, site, shield, reach, ids)
        except AGAIN as error:
            if attempt == ATTEMPTS:
                raise
            log.info("Taking away again after %s.", type(error).__name__)
    raise AssertionError("unreachable")


class _Left(NamedTuple):
    """What becomes of one session: the events that go, and the sessions that the others make."""

    row: SessionRow
    gone: list[Placed]
    stay: list[Placed]
    made: list[SessionRow]


def _take(conn: psycopg.Connection, site: KnownSite, shield: Shield, reach: removal.Reach, ids: list[int]) -> _Taken:
    held = removal.hold(conn, reach, ids)
    lefts = list(_lefts(site, held))
    gone = {item.event.id for left in lefts for item in left.gone}
    if lefts:
        removal.delete_events(conn, reach, held, gone)
        _save(conn, lefts)
        started = removal.mend_visitors(conn, site.id, held)
        received = [at for _, at, id_, *_ in held.events if id_ in gone]
        _count(conn, shield, received)
        hours = {marks.hour_of(site, moment) for moment in [*_moments(lefts), *started]}
        marks.dirty(conn, ((site, hour) for hour in hours))
        Shield.objects.filter(pk=shield.pk).update(
            applied_events=F("applied_events") + len(gone), applying_at=datetime.now(UTC)
        )
        return _Taken(len(gone), len(lefts), hours)
    return _Taken(0, 0, set())


def _lefts(site: KnownSite, held: removal.Held) -> Iterator[_Left]:
    """Those that change. A session that has outlived some of its events is left alone unless it goes whole: it
    could not be counted again."""
    gone: dict[int, list[Placed]] = {id_: [] for id_ in held.rows}
    stay: dict[int, list[Placed]] = {id_: [] for id_ in held.rows}
    for goes, _, *fields in held.events:
        event = refold.event_of(tuple(fields))
        item = refold.stored(site, held.rows[fields[4]], event)
        (gone if goes else stay)[item.session_id].append(item)
    for id_, row in held.rows.items():
        if id_ in held.whole:
            yield _Left(row, [*gone[id_], *stay[id_]], [], [])
        elif gone[id_] and refold.counted(gone[id_]) + refold.counted(stay[id_]) == row.events:
            yield _Left(row, gone[id_], stay[id_], refold.again(row, stay[id_]))


def _save(conn: psycopg.Connection, lefts: list[_Left]) -> None:
    ended = [left.row.key for left in lefts if not left.made]
    conn.execute(sessions.DELETE, ([key[0] for key in ended], [key[1] for key in ended]))
    changed = [left.made[0] for left in lefts if left.made]
    new = [row for left in lefts for row in left.made[1:]]
    sessions.save(conn, Folded(new, changed, {}, {row.key for row in changed}, set()))
    for left in lefts:
        for row in left.made[1:]:
            events.move(conn, left.row.key, row)


def _moments(lefts: list[_Left]) -> Iterator[datetime]:
    for left in lefts:
        yield from (item.ts for item in (*left.gone, *left.stay))
        yield from (row.started_at for row in (left.row, *left.made))


def _count(conn: psycopg.Connection, shield: Shield, received: list[datetime]) -> None:
    """What was stored is dropped now, in the hour it came in; the rule has hit it."""
    hours = Counter(at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) for at in received)
    lines: Counter[ledger.Line] = Counter()
    for hour, count in hours.items():
        lines[shield.site_id, hour, "stored", ""] -= count
        lines[shield.site_id, hour, "dropped", REASONS[shield.kind]] += count
    ledger.add(conn, ledger.COUNT, lines)
    ledger.add(conn, ledger.HIT, Counter({(shield.site_id, shield.pk, hour): n for hour, n in hours.items()}))
