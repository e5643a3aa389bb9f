"""Periodic work of the write side. Every task may run twice, or two at once, and changes nothing then."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from celery import Task, shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from ingest import freshness, jobs, partitions, samples, shields_past, writer
from ingest.alone import Taken, alone
from ingest.enrich import visitor
from ingest.jobs import Job
from ingest.models import PersonRequest, Shield, Site
from ingest.people import erasure, stream
from ingest.people.find import Who
from ingest.retention.cleanup import cleanup as clean_up
from ingest.rollups import backfill, drain, verify
from ingest.rollups.drain import Drained
from ingest.sites import KnownSite

log = logging.getLogger(__name__)
TURN_SECONDS = 30


def _alone(name: str, work: Callable[[Job], None], *, is_quiet: bool = False) -> None:
    """One run of WORK at a time; a second one ends at once, and leaves no row."""
    try:
        with alone(name), jobs.run(name, is_quiet=is_quiet) as job:
            work(job)
    except Taken as taken:
        log.info("%s", taken)


@shared_task
def make_partitions() -> None:
    with jobs.run("make_partitions") as job:
        wanted = partitions.ahead(datetime.now(UTC), settings.INGEST_PARTITIONS_AHEAD)
        job.rows = len(partitions.ensure(writer.connected(), wanted))
        job.detail = f"Made {job.rows} partitions."


@shared_task
def rotate_salts() -> None:
    with jobs.run("rotate_salts") as job:
        today = datetime.now(UTC).date()
        visitor.ensure_salts([today, today + timedelta(days=1)])
        job.rows = visitor.forget_salts(today)
        job.detail = f"Deleted {job.rows} salts."


@shared_task
def drain_closed_days() -> None:
    _alone("drain_closed_days", lambda job: _note(job, drain.closed_days(datetime.now(UTC))), is_quiet=True)


@shared_task
def drain_hours() -> None:
    _alone("drain_hours", lambda job: _note(job, drain.hours(datetime.now(UTC))))


def _note(job: Job, done: Drained) -> None:
    """What could not be built is the run's error, though it came to its end: the rest was built."""
    job.rows = done.rows
    job.detail = str(done) if done.days or done.hours else ""
    job.error = "\n".join(f"Not built: {failed}" for failed in done.failed)


@shared_task
def cleanup(site_ids: list[int] | None = None, dry_run: bool = False) -> None:
    """Nightly, of all sites. Some of them, or what it would do, when staff ask for it."""
    if dry_run:
        with jobs.run("cleanup_dry_run") as job:
            _clean(job, site_ids, dry_run=True)
    else:
        _alone("cleanup", lambda job: _clean(job, site_ids, dry_run=False))


def _clean(job: Job, site_ids: list[int] | None, *, dry_run: bool) -> None:
    done = clean_up(datetime.now(UTC), dry_run=dry_run, site_ids=site_ids, job=job)
    job.rows, job.detail, job.error = done.rows, str(done), "\n".join(done.failed)


@shared_task
def check_freshness() -> None:
    with jobs.run("check_freshness", is_quiet=True) as job:
        found = freshness.found(datetime.now(UTC))
        job.error = " ".join(found.sentences())
    jobs.tell_of_all()


@shared_task
def trim_samples() -> None:
    with jobs.run("trim_samples", is_quiet=True) as job:
        job.rows = samples.trim()
        job.detail = f"Deleted {job.rows} samples." if job.rows else ""


@shared_task
def trim_runs() -> None:
    log.info("Deleted %d runs of tasks.", jobs.trim())


@shared_task
def apply_shield(shield_id: int, days: int = shields_past.DAYS) -> None:
    """When an owner asks for it: takes what the rule covers out of the last DAYS.

    A task that takes over an hour is delivered again while it runs, and must not occupy two workers. Nor may one site
    with several rules: its next one waits, and the worker does what is due for others.
    """
    shield = Shield.objects.select_related("site").filter(pk=shield_id).first()
    if shield is None:
        log.info("Shield %d was deleted before it was applied.", shield_id)
        return
    if shields_past.is_site_busy(shield):
        apply_shield.apply_async((shield_id, days), countdown=TURN_SECONDS)
        return
    if not shields_past.claim(shield):
        log.info("Shield %d is being applied already.", shield_id)
        return
    shields_past.apply(shield.site, shield, shields_past.since_days(days))


@shared_task
def backfill_days(site_id: int, days: list[str], run_id: int) -> None:
    """A part of what `manage.py backfill --jobs` hands out."""
    backfill.part(site_id, [date.fromisoformat(day) for day in days], run_id)


@shared_task(bind=True)
def backfill_site(self: Task, site_id: int, start_iso: str | None = None, end_iso: str | None = None) -> None:
    """When a page asks for it: from the first to the last day, both included; all there are when left out.

    Delivered again because its worker died, it goes on; because it runs for over an hour, it leaves the other at it.
    Asked for twice, it runs twice: the site may have changed meanwhile.
    """
    is_again = bool((self.request.delivery_info or {}).get("redelivered"))
    site = Site.objects.filter(pk=site_id).first()
    if site is None or (backfill.is_running(site_id) and is_again):
        log.info("Site %d was deleted, or is being built already.", site_id)
    elif backfill.is_running(site_id):
        self.apply_async((site_id, start_iso, end_iso), countdown=TURN_SECONDS)
    else:
        first, last = (date.fromisoformat(day) if day else None for day in (start_iso, end_iso))
        backfill.site(KnownSite.of(site), first, last, datetime.now(UTC), is_anew=not is_again)


@shared_task
def verify_site(site_id: int) -> None:
    """When staff ask for it; what it finds is in its run. Delivered again after an hour, it leaves that one at it."""
    site = Site.objects.filter(pk=site_id).first()
    if site is None:
        return
    try:
        with alone(f"verify_site {site_id}"):
            verify.site(KnownSite.of(site), None, None, datetime.now(UTC))
    except Taken as taken:
        log.info("%s", taken)


ERASING: dict[str, Any] = {"argsrepr": "(not shown)"}  # what the broker, flower and logs are told of the arguments


@shared_task(bind=True, max_retries=None)
def erase_person(
    self: Task, request_id: int, user_id: str | None, visitors: list[int], noted: dict[str, str] | None = None
) -> None:
    """Comes again until it is done: while events of before wait in the stream, or when anything failed.

    The person stands in the arguments alone, which the broker keeps until then and no longer.
    """
    request = PersonRequest.objects.select_related("site").filter(pk=request_id, done_at=None).first()
    if request is None:
        log.info("Erasure %d is done already, or its site was deleted.", request_id)
        return
    try:
        noted = stream.note() if noted is None else noted
        stream.wait(noted)
        with jobs.run("erase_person", site_id=request.site_id) as job:
            job.detail = str(erasure.erase(KnownSite.of(request.site), Who(user_id, tuple(visitors)), request))
    except stream.Waits as waits:
        log.info("Erasure %d: %s", request_id, waits)
        again = (request_id, user_id, visitors, waits.noted)
        raise self.retry(args=again, countdown=TURN_SECONDS, **ERASING) from None
    except Exception as error:
        again = (request_id, user_id, visitors, noted)
        raise self.retry(args=again, countdown=TURN_SECONDS, **ERASING) from error


def begin_erasure(site_id: int, who: Who, asked_by: str) -> PersonRequest:
    """Hands it to a worker. Raises kombu's OperationalError when none can be reached, and nothing has begun then."""
    request = erasure.begin(site_id, asked_by)
    try:
        erase_person.apply_async((request.pk, who.user_id, list(who.visitors)), **ERASING)
    except OperationalError:
        request.delete()
        raise
    return request
