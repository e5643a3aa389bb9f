"""Periodic work of the write side. Every task may run twice, or two at once, and changes nothing then."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.conf import settings

from ingest import freshness, jobs, partitions, samples, shields_past, writer
from ingest.alone import Taken, alone
from ingest.enrich import visitor
from ingest.jobs import Job
from ingest.models import Shield
from ingest.rollups import drain
from ingest.rollups.drain import Drained

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
    job.error = " ".join(f"Not built: {failed}." for failed in done.failed)


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
