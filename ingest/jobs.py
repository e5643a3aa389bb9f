"""Runs of periodic and long tasks: a row each, its progress, and who is told when they fail.

    with jobs.run("cleanup") as job:
        for number, part in enumerate(parts, 1):
            job.step(number, rows=remove(part))
        job.detail = "Deleted 3 days."

The row is the caller's own connection's: inside an open transaction nobody else sees it move.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection, models
from django.urls import reverse
from django.utils.timezone import now
from psycopg.pq import TransactionStatus

from ingest import alerts
from ingest.models import JobRun
from ingest.writer import connected

log = logging.getLogger(__name__)
SAVE_SECONDS, BEAT_SECONDS = 1, 60
MOST_ERROR = 2_000  # characters
ADDED = re.compile(r"(DETAIL|HINT|CONTEXT|QUERY|LINE \d+): ")
PATIENCE = {"cleanup": 1, "check_freshness": 1}  # failures in a row before somebody is told; three of any other
WORDS = {"check_freshness": ("something is behind", "nothing is behind any more")}  # in place of fails, works again
KEPT = timedelta(days=90)
KEPT_RUNS = 100  # of each task, however old
LOOKED_BACK = 500


class Job:
    """The run in hand. What ends badly without an exception says so in `error`, one sentence a line."""

    def __init__(self, row: JobRun) -> None:
        self.row = row
        self.detail = ""
        self.error = ""
        self.rows = 0
        self._next = time.monotonic() + SAVE_SECONDS

    def step(self, done: int, rows: int = 0) -> None:
        """A sign of life. DONE of the total by now, and ROWS more than before; saved at most once a second."""
        self.row.done = done
        self.rows += rows
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SAVE_SECONDS
            self.save()

    def save(self) -> None:
        """As it stands. A quiet run has no row to save yet."""
        if self.row.pk:
            self.row.rows, self.row.seen_at = self.rows, now()
            self.row.save(update_fields=["rows", "done", "total", "seen_at"])


@contextmanager
def run(
    task: str,
    *,
    site_id: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    total: int | None = None,
    is_quiet: bool = False,
) -> Iterator[Job]:
    """A row from the beginning to the end. An exception is kept in it and raised.

    IS_QUIET, for what runs every minute: a row at the end alone, and only when there is something to tell (`detail`,
    `rows` or an error) or the run before had failed.
    """
    connected()  # made anew if the server has ended it
    job = Job(JobRun(task=task, site_id=site_id, range_start=start, range_end=end, total=total))
    if not is_quiet:
        job.row.save()
    try:
        with _alive(job.row):
            yield job
    except BaseException as error:
        interruption = _interruption(error)
        if connection.connection and connection.connection.info.transaction_status == TransactionStatus.ACTIVE:
            connection.close()  # cut short in the middle of an answer, it takes no further statement
        job.error = _told(interruption or error)
        _end_after(error, job)
        if interruption is not None:
            raise interruption from None
        raise
    _end(job)


@contextmanager
def _alive(row: JobRun) -> Iterator[None]:
    """A sign of life each minute, over a connection of its own: one statement may take longer than SILENCE."""
    stopped = threading.Event()
    heart = threading.Thread(target=_beat, args=(row.pk, stopped), name=f"alive: {row.task}", daemon=True)
    if row.pk:
        heart.start()
    try:
        yield
    finally:
        stopped.set()
        if row.pk:
            heart.join(SAVE_SECONDS)


def _beat(pk: int, stopped: threading.Event) -> None:
    while not stopped.wait(BEAT_SECONDS):
        try:
            JobRun.objects.filter(pk=pk).update(seen_at=now())
        except DatabaseError as error:
            log.warning("No sign of life of run %d: %s", pk, _without_values(_told(error)))
        finally:
            connection.close()  # this thread's own


def failed_in_a_row(task: str) -> int:
    """Failures since the last good run; a run that is at it counts for neither. Bounded by LOOKED_BACK."""
    return len(_failures(_ended(task, LOOKED_BACK)))


def failing() -> list[JobRun]:
    """The last failure of each task that failed as often in a row as somebody is told of."""
    found = {task: _failures(_ended(task, patience(task))) for task in _tasks()}
    return [runs[0] for task, runs in found.items() if len(runs) >= patience(task)]


def patience(task: str) -> int:
    return PATIENCE.get(task, 3)


def trim() -> int:
    """Deletes runs that are neither young nor among the last of their task. Returns how many."""
    deleted = 0
    for task in _tasks():
        kept = _of(task).values_list("pk", flat=True)[:KEPT_RUNS]
        old = _of(task).filter(started_at__lt=now() - KEPT)
        deleted += old.exclude(pk__in=list(kept)).delete()[0]
    return deleted


# --- The end of a run -------------------------------------------------------------------------------------


def _end(job: Job) -> None:
    row = job.row
    if not (row.pk or job.detail or job.rows or job.error or _failures(_ended(row.task, 1))):
        return
    row.ended_at = row.seen_at = now()
    row.rows, row.detail, row.error = job.rows, job.detail, _without_values(job.error)
    row.save()
    log.info("%s: %s", row.task, row.error or row.detail or "ended.")
    tell(row.task)


def _end_after(error: BaseException, job: Job) -> None:
    """What failed may have taken the connection with it; the error that counts is the first one."""
    try:
        connected()
        _end(job)
    except (DatabaseError, psycopg.Error):
        log.exception("The end of %s could not be written down: %s", job.row.task, _without_values(_told(error)))


def _interruption(error: BaseException | None) -> BaseException | None:
    """What ended the work from outside, where ERROR is that or came while it was cleared away; else None."""
    while error is not None and isinstance(error, Exception):
        error = error.__context__
    return error


def _told(error: BaseException) -> str:
    if not isinstance(error, Exception):
        return f"It was interrupted ({type(error).__name__})."
    return f"{type(error).__name__}: {str(error).strip()}"


def _without_values(error: str) -> str:
    """Without what PostgreSQL adds below its first line: that can hold values of a row, and an error is mailed."""
    return "\n".join(line for line in error.splitlines() if not ADDED.match(line))[:MOST_ERROR]


# --- Who is told ------------------------------------------------------------------------------------------


def tell(task: str) -> None:
    """Once when TASK fails for good, and once when it works again; what could not be said is said the next time.

    Two runs that end in the same moment may say it twice.
    """
    runs = _ended(task, patience(task))
    failures = _failures(runs)
    told = _of(task).exclude(alerted_at=None).first()
    is_down = told is not None and bool(told.problem)
    fails, works = WORDS.get(task, (f"{task} fails", f"{task} works again"))
    if len(failures) >= patience(task) and not is_down:
        times = failed_in_a_row(task)
        often = f"It failed {times} times in a row. " if times > 1 else ""
        _say(runs[0], fails, often + runs[0].problem)
    elif runs and not failures and is_down:
        _say(runs[0], works, runs[0].detail or "It ended without an error.", logging.WARNING)


def tell_of_all() -> None:
    """For what no run of its own tells: a task whose process was gone, or a mail server that was away."""
    for task in _tasks():
        tell(task)


def _say(run: JobRun, subject: str, text: str, level: int = logging.ERROR) -> None:
    address = settings.BASE_URL + reverse("admin:ingest_jobrun_change", args=[run.pk])
    if alerts.send(subject, f"{text}\n\n{address}", level):
        JobRun.objects.filter(pk=run.pk).update(alerted_at=now())


def _tasks() -> list[str]:
    return list(JobRun.objects.order_by("task").values_list("task", flat=True).distinct())


def _of(task: str) -> models.QuerySet[JobRun]:
    return JobRun.objects.filter(task=task).order_by("-pk")


def _ended(task: str, most: int) -> list[JobRun]:
    """The last MOST, the newest first, without what is running."""
    over = _of(task).filter(models.Q(ended_at__isnull=False) | JobRun.failures())
    return list(over[:most])


def _failures(runs: list[JobRun]) -> list[JobRun]:
    """Those in front."""
    good = next((number for number, run in enumerate(runs) if not run.problem), len(runs))
    return runs[:good]
