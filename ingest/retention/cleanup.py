"""What has expired goes: days are counted a last time, then events, then sets, sessions and visitors, then aggregates.

Each step is many short transactions, and each takes what it needs to know from the tables: a run that ended anywhere
is made up for by the next, and two at once do the same work twice at worst. What fails stays, is named, and keeps
nothing else from going.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import NamedTuple

from ingest import partitions
from ingest.clock import DAY
from ingest.jobs import Job
from ingest.models import Site
from ingest.retention import archive, closing, cuts, events, expiry, seal
from ingest.retention.cuts import Cuts, midnight
from ingest.sites import KnownSite
from ingest.writer import connected

log = logging.getLogger(__name__)
INDEX_AFTER = 2 * DAY  # the day of UTC is over by a day then: most late events have come


class Cleaned(NamedTuple):
    """How much went. `failed` are sentences: what should have gone, and stays until the next run."""

    closed: int = 0  # days, of all sites together, as the next
    sealed: int = 0
    events: int = 0
    partitions: int = 0
    sessions: int = 0
    visitors: int = 0
    aggregates: int = 0  # rows, hourly ones included
    indexed: int = 0  # partitions
    is_dry: bool = False
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        verb = "Would have deleted" if self.is_dry else "Deleted"
        left = f" Left for the next run: {len(self.failed):,}." if self.failed else ""
        return (
            f"{verb} {self.events:,} events ({self.partitions:,} whole days), {self.sessions:,} sessions, "
            f"{self.visitors:,} visitors and {self.aggregates:,} rows of aggregates; closed {self.closed:,} days and "
            f"sealed {self.sealed:,}.{left}"
        )

    @property
    def rows(self) -> int:
        return self.events + self.sessions + self.visitors + self.aggregates

    def plus(self, *, failed: Iterable[str] = (), **more: int) -> "Cleaned":
        sums = {name: getattr(self, name) + number for name, number in more.items()}
        return self._replace(failed=(*self.failed, *failed), **sums)


class _Run:
    """One cleanup: what it knows, and what it has done so far."""

    def __init__(self, now: datetime, site_ids: Collection[int] | None, job: Job | None, *, is_dry: bool) -> None:
        self.now, self.job, self.is_dry = now, job, is_dry
        self.conn = connected()
        chosen = Site.objects.all() if site_ids is None else Site.objects.filter(pk__in=site_ids)
        self.sites = list(chosen.order_by("pk"))
        self.is_whole = site_ids is None
        self.done = Cleaned(is_dry=is_dry)
        self.units = 0

    def note(self, *, failed: Iterable[str] = (), **more: int) -> None:
        before = self.done.rows
        self.done = self.done.plus(failed=failed, **more)
        if self.job is not None:
            self.job.step(self.units, self.done.rows - before)

    def end_unit(self) -> None:
        self.units += 1
        self.note()

    def expect(self, units: int) -> None:
        if self.job is not None:
            self.job.row.total = units


def cleanup(
    now: datetime, *, dry_run: bool = False, site_ids: Collection[int] | None = None, job: Job | None = None
) -> Cleaned:
    """Of all sites, or of some: then whole days are not dropped, and indexes not built.

    Needs a connection in autocommit mode. DRY_RUN counts what would go. Raises what ends the connection.
    """
    run = _Run(now, site_ids, job, is_dry=dry_run)
    old = _old_days(run)
    run.expect(2 * len(run.sites) + len(old))
    held = {day: set(events.sites_in(run.conn, day)) for day in old}
    for site in _in_turn(run):
        with _noted(run, f"Site {site.pk}"):
            _close(run, site, [day for day in old if site.pk in held[day]])
    for day in old:
        with _noted(run, f"Events of {day}"):
            _take_day(run, day)
        run.end_unit()
    for site in _in_turn(run):
        with _noted(run, f"Site {site.pk}"):
            _expire(run, site)
    if run.is_whole and not run.is_dry:
        _index(run)
    log.info("%s", run.done)
    return run.done


def _in_turn(run: _Run) -> Iterator[Site]:
    """Each as it is by then: a run may take hours, in which an owner decides to keep more."""
    for site in run.sites:
        yield from Site.objects.filter(pk=site.pk)
        run.end_unit()


def _old_days(run: _Run) -> list[date]:
    """Days of UTC of which some site keeps no events; and all that an earlier run had half removed, which come back
    where a site keeps events for longer since."""
    cut = [cuts.of(site, run.now).events for site in run.sites]
    old = {day for day in partitions.existing(run.conn) if cut and midnight(day) < max(cut)}
    return sorted(old | (partitions.detached(run.conn) if run.is_whole else set()))


@contextmanager
def _noted(run: _Run, what: str) -> Iterator[None]:
    """What fails inside is named at the end and keeps nothing else from going. Raises what ends the connection."""
    try:
        yield
    except Exception as error:
        if run.conn.closed:
            raise
        log.exception("%s: not all that has expired could be taken away.", what)
        run.note(failed=[f"{what}: {str(error).strip()}"])


# --- Days are closed --------------------------------------------------------------------------------------


def _close(run: _Run, site: Site, held: list[date]) -> None:
    known, cut = KnownSite.of(site), cuts.of(site, run.now)
    _take_aggregates(run, site, expiry.old_hours(cut.hours, cut.breakdowns))
    due = closing.due(known, cut.events, [day for day in held if midnight(day) < cut.events])
    if run.is_dry:
        sealed = [day for day in due if day.start < cut.sessions and not seal.waits(site, day.date, run.now)]
        run.note(closed=len(due), sealed=len(sealed))
        return
    closed = closing.close(known, due, run.now, cut.hours)
    run.note(closed=closed.days, failed=closed.failed)
    if due:
        log.info("Site %d: closed %d days from %s.", site.pk, closed.days, due[0].date)


# --- Events go --------------------------------------------------------------------------------------------


def _take_day(run: _Run, day: date) -> None:
    """The whole day where no site needs it, else the rows of those that do not."""
    if run.is_dry:
        _foresee_day(run, day)
        return
    with archive.exclusively():
        found = events.present(run.conn, day, run.now)
        is_half_gone = day in partitions.detached(run.conn)
        if run.is_whole and not events.is_live(day, run.now) and (is_half_gone or not found.stays):
            _drop(run, day)
        else:
            _delete_rows(run, day, found)


def _drop(run: _Run, day: date) -> None:
    taken = events.remove(run.conn, day, run.now)
    if taken is not None:
        run.note(events=taken, partitions=1)
        log.info("Dropped the day %s with %d events.", day, taken)


def _delete_rows(run: _Run, day: date, found: events.Present) -> None:
    chosen = {site.pk for site in run.sites}
    going = [site_id for site_id in found.going if run.is_whole or site_id in chosen]
    if found.waiting:  # as an import writes; that days could not be closed was noted, and freshness tells of old marks
        log.info("Events of %s stay, being not counted yet: sites %s.", day, found.waiting)
    if going:
        archive.write(run.conn, day, going)
    for site_id in going:
        for taken in events.delete(run.conn, day, site_id):
            run.note(events=taken)


def _foresee_day(run: _Run, day: date) -> None:
    """As if every day that is due were closed."""
    there = events.sites_in(run.conn, day)
    needed = {site.pk for site in Site.objects.filter(pk__in=there) if midnight(day) >= cuts.of(site, run.now).events}
    chosen = there if run.is_whole else {site.pk for site in run.sites}
    run.note(events=events.count_in(run.conn, day, set(there) & set(chosen) - needed))
    if run.is_whole and not needed and not events.is_live(day, run.now):
        run.note(partitions=1)


# --- Sets, sessions, visitors, aggregates -----------------------------------------------------------------


def _expire(run: _Run, site: Site) -> None:
    cut = cuts.of(site, run.now)
    _take_sessions(run, site, _seal(run, site, cut))
    if cut.aggregates is not None:
        _take_aggregates(run, site, expiry.old_days(cut.aggregates))


def _seal(run: _Run, site: Site, cut: Cuts) -> datetime:
    """Returns until when sets are gone: only then the sessions that they hold may follow."""
    due = seal.due(site, cut.sessions, run.now)
    if run.is_dry:
        run.note(sealed=len(due.days))
        return due.until
    sealed = seal.seal(KnownSite.of(site), due.days, run.now, cut.aggregates)
    run.note(sealed=sealed.days, failed=sealed.failed)
    return seal.first_unsealed(site, cut.sessions)


def _take_sessions(run: _Run, site: Site, until: datetime) -> None:
    if run.is_dry:
        run.note(**expiry.count_sessions(run.conn, site.pk, until)._asdict())
        return
    for gone in expiry.sessions(run.conn, site.pk, until):
        run.note(**gone._asdict())


def _take_aggregates(run: _Run, site: Site, old: list[expiry.Old]) -> None:
    for one in old:
        if run.is_dry:
            run.note(aggregates=expiry.count(run.conn, site.pk, one))
            continue
        for taken in expiry.delete(run.conn, site.pk, one):
            run.note(aggregates=taken)


# --- Days that are over are indexed -----------------------------------------------------------------------


def _index(run: _Run) -> None:
    """Last: what is left is worth it."""
    for day in sorted(partitions.existing(run.conn)):
        if midnight(day) <= run.now - INDEX_AFTER:
            with _noted(run, f"Index of {day}"):
                run.note(indexed=partitions.index(run.conn, day))
