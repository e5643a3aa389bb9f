"""Runs of tasks: a row each, what becomes of it, and who is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pytest_django import Settings

from ingest import jobs
from ingest.models import JobRun, Site
from ingest.models.jobs import SILENCE
from ingest.writer import connected
from tests.conftest import CLOSED, no_postgres
from tests.ingest.writers import wait_for

LONG_AGO = timedelta(days=100)


def ended(task: str, *errors: str, age: timedelta = timedelta()) -> None:
    at = datetime.now(UTC) - age
    JobRun.objects.bulk_create(
        JobRun(task=task, error=error, started_at=at, seen_at=at, ended_at=at) for error in errors
    )


def lost(task: str) -> JobRun:
    """A run whose process died an hour ago."""
    at = datetime.now(UTC) - timedelta(hours=1)
    return JobRun.objects.create(task=task, started_at=at, seen_at=at)


def fail(task: str, times: int = 1) -> None:
    for _ in range(times):
        with jobs.run(task) as job:
            job.error = "No broom."


def succeed(task: str) -> None:
    with jobs.run(task) as job:
        job.detail = "Swept."


@contextmanager
def no_table(conn: psycopg.Connection) -> Iterator[None]:
    conn.execute("ALTER TABLE ingest_jobrun RENAME TO elsewhere")
    try:
        yield
    finally:
        conn.execute("ALTER TABLE elsewhere RENAME TO ingest_jobrun")


def sweep_without_broom(before: Callable[[], object] = lambda: None) -> None:
    with jobs.run("sweep") as job:
        job.step(1, rows=3)
        before()
        raise ValueError("no broom")


# --- Rows -------------------------------------------------------------------------------------------------


def test_it_works(db: None) -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    with jobs.run("sweep", site_id=7, start=start, end=end, total=2) as job:
        assert JobRun.objects.get().is_running
        job.step(2, rows=5)
        job.detail = "Swept."
    row = JobRun.objects.get()
    assert (row.task, row.site_id, row.range_start, row.range_end) == ("sweep", 7, start, end)
    assert (row.total, row.done, row.rows, row.detail, row.problem) == (2, 2, 5, "Swept.", "")
    assert row.ended_at is not None
    assert not row.is_running


def test_others_see_how_far_it_is(
    committed: Site, another: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SAVE_SECONDS", 0)
    with jobs.run("sweep", total=9) as job:
        job.step(4, rows=10)
        job.step(5, rows=10)
        assert another.execute("SELECT done, total, rows FROM ingest_jobrun").fetchone() == (5, 9, 20)


def test_a_step_of_the_same_second_costs_no_query(site: Site, django_assert_num_queries: object) -> None:
    with jobs.run("sweep") as job, django_assert_num_queries(0):  # type: ignore[operator]
        for number in range(1_000):
            job.step(number)


def test_an_exception_is_kept_and_raised(db: None) -> None:
    with pytest.raises(ValueError, match="no broom"):
        sweep_without_broom()
    row = JobRun.objects.get()
    assert (row.error, row.done, row.rows) == ("ValueError: no broom", 1, 3)
    assert not row.is_running


def test_what_ends_badly_may_say_so_without_an_exception(db: None) -> None:
    fail("sweep")
    assert JobRun.objects.get().problem == "No broom."


def test_an_interrupted_run_says_so(db: None) -> None:
    with pytest.raises(KeyboardInterrupt), jobs.run("sweep"):
        raise KeyboardInterrupt
    assert JobRun.objects.get().error == "It was interrupted (KeyboardInterrupt)."


def test_one_that_is_interrupted_in_the_middle_of_an_answer_says_so(committed: Site) -> None:
    """Taking its transaction back fails then, which is not what ended it."""
    with pytest.raises(KeyboardInterrupt), jobs.run("sweep"), connected().transaction():
        stopped_while_asking(connected())
    assert JobRun.objects.get().error == "It was interrupted (KeyboardInterrupt)."


def stopped_while_asking(conn: psycopg.Connection) -> None:
    conn.pgconn.send_query(b"SELECT pg_sleep(30)")
    raise KeyboardInterrupt


def test_values_of_rows_do_not_get_into_an_error(committed: Site) -> None:
    """PostgreSQL tells them in a second line."""
    with pytest.raises(psycopg.errors.UniqueViolation) as caught, jobs.run("sweep"):
        jobs.connected().execute("INSERT INTO ingest_salt SELECT '2026-11-20', 'x' FROM generate_series(1, 2)")
    assert "2026-11-20" in str(caught.value)
    error = JobRun.objects.get().error
    assert error.startswith("UniqueViolation: duplicate key")
    assert "2026-11-20" not in error


def test_nor_where_a_run_ends_with_several_errors_of_its_own(db: None) -> None:
    with jobs.run("sweep") as job:
        job.error = "Room 1: dust\nDETAIL:  Key (user_id)=(alice) exists.\nCONTEXT:  COPY rooms\nRoom 2: dust"
    assert JobRun.objects.get().error == "Room 1: dust\nRoom 2: dust"


def test_a_very_long_error_is_cut(db: None) -> None:
    with pytest.raises(ValueError, match="x"), jobs.run("sweep"):
        raise ValueError("x" * 10_000)
    assert len(JobRun.objects.get().error) == jobs.MOST_ERROR


def test_a_run_that_lost_its_connection_is_written_down_over_another(committed: Site) -> None:
    with pytest.raises(psycopg.OperationalError), jobs.run("sweep"):
        jobs.connected().execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert JobRun.objects.get().error.startswith("AdminShutdown: terminating connection")


def test_the_first_error_is_raised_where_nothing_can_be_written_down(
    committed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="no broom"), ExitStack() as away:
        sweep_without_broom(lambda: away.enter_context(no_postgres()))
    assert "The end of sweep could not be written down: ValueError: no broom" in caplog.text
    assert JobRun.objects.get().ended_at is None


# --- Quiet ones -------------------------------------------------------------------------------------------


def test_a_quiet_run_without_news_leaves_no_row(db: None) -> None:
    with jobs.run("look", is_quiet=True) as job:
        job.step(1)
    assert not JobRun.objects.exists()


@pytest.mark.parametrize("told", ["detail", "error"])
def test_a_quiet_run_with_news_leaves_one(db: None, told: str) -> None:
    with jobs.run("look", is_quiet=True) as job:
        setattr(job, told, "Something.")
    assert getattr(JobRun.objects.get(), told) == "Something."


def test_a_quiet_run_after_a_failed_one_says_that_it_works(db: None) -> None:
    ended("look", "", "No eyes.")
    for _ in range(2):
        with jobs.run("look", is_quiet=True):
            pass
    assert [run.error for run in JobRun.objects.order_by("pk")] == ["", "No eyes.", ""]


# --- Failures in a row ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "number"), [((), 0), (("",), 0), (("x",), 1), (("x", "", "x", "x"), 2), (("x", "x", ""), 0)]
)
def test_failures_are_counted_since_the_last_good_run(db: None, errors: tuple[str, ...], number: int) -> None:
    ended("sweep", *errors)
    ended("mop", "x", "x", "x")
    assert jobs.failed_in_a_row("sweep") == number


def test_a_run_that_is_at_it_counts_for_neither(db: None) -> None:
    ended("sweep", "x", "x")
    JobRun.objects.create(task="sweep")
    assert jobs.failed_in_a_row("sweep") == 2


def test_a_run_whose_process_died_is_told_as_failed(db: None) -> None:
    run = lost("sweep")
    assert jobs.failed_in_a_row("sweep") == 1
    assert not run.is_running
    assert run.problem == f"Its process is gone: no sign of life since {run.seen_at:%Y-%m-%d %H:%M} UTC."
    assert list(JobRun.objects.filter(JobRun.failures())) == [run]


def test_a_sign_of_life_keeps_a_long_run_running(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SAVE_SECONDS", 0)
    with jobs.run("sweep") as job:
        JobRun.objects.update(seen_at=datetime.now(UTC) - SILENCE * 2)
        assert not JobRun.objects.get().is_running
        job.step(1)
        assert JobRun.objects.get().is_running


def test_a_long_statement_is_no_silence(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.02)
    with jobs.run("sweep"):
        JobRun.objects.update(seen_at=datetime.now(UTC) - SILENCE * 2)
        wait_for(lambda: JobRun.objects.get().is_running)


def test_a_run_that_has_ended_gives_no_sign_of_life(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.02)
    with pytest.raises(ValueError, match="no broom"):
        sweep_without_broom()
    wait_for(lambda: not any(thread.name == "alive: sweep" for thread in threading.enumerate()))


def test_a_sign_of_life_that_cannot_be_given_ends_nothing(
    committed: Site, another: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.02)
    with jobs.run("sweep") as job:
        with no_table(another):
            wait_for(lambda: "No sign of life of run" in caplog.text)
        job.detail = "Swept."
    assert JobRun.objects.get().detail == "Swept."


# --- Who is told ------------------------------------------------------------------------------------------


def subjects(mailoutbox: list[object]) -> list[str]:
    return [mail.subject for mail in mailoutbox]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _by_mail(settings: Settings) -> None:
    settings.ALERT_EMAILS, settings.EMAIL_HOST = ["ops@example.com"], "mail.example.com"
    settings.BASE_URL = "http://127.0.0.1:8000"


def test_three_failures_in_a_row_are_told_once(db: None, mailoutbox: list[object]) -> None:
    fail("sweep", times=2)
    assert subjects(mailoutbox) == []
    fail("sweep", times=5)
    assert subjects(mailoutbox) == ["Footfall: sweep fails"]
    first = JobRun.objects.exclude(alerted_at=None).get()
    address = f"http://127.0.0.1:8000/admin/ingest/jobrun/{first.pk}/change/"
    assert mailoutbox[0].body == f"It failed 3 times in a row. No broom.\n\n{address}"  # type: ignore[attr-defined]


def test_that_it_works_again_is_told_once(db: None, mailoutbox: list[object]) -> None:
    fail("sweep", times=4)
    for _ in range(3):
        succeed("sweep")
    assert subjects(mailoutbox) == ["Footfall: sweep fails", "Footfall: sweep works again"]
    fail("sweep", times=3)
    assert subjects(mailoutbox)[2:] == ["Footfall: sweep fails"]


def test_what_nobody_was_told_of_is_not_told_to_work_again(db: None, mailoutbox: list[object]) -> None:
    fail("sweep", times=2)
    succeed("sweep")
    assert subjects(mailoutbox) == []


def test_a_cleanup_is_told_at_its_first_failure(db: None, mailoutbox: list[object]) -> None:
    fail("cleanup", times=2)
    assert subjects(mailoutbox) == ["Footfall: cleanup fails"]


def test_what_is_behind_is_told_in_words_of_its_own(db: None, mailoutbox: list[object]) -> None:
    fail("check_freshness")
    succeed("check_freshness")
    assert subjects(mailoutbox) == ["Footfall: something is behind", "Footfall: nothing is behind any more"]
    assert mailoutbox[0].body.startswith("No broom.\n")  # type: ignore[attr-defined]


def test_an_interrupted_run_is_one_of_those_that_count(db: None, mailoutbox: list[object]) -> None:
    with pytest.raises(KeyboardInterrupt), jobs.run("cleanup"):
        raise KeyboardInterrupt
    assert subjects(mailoutbox) == ["Footfall: cleanup fails"]


def test_one_task_does_not_answer_for_another(db: None, mailoutbox: list[object]) -> None:
    for task in ("sweep", "mop", "dust"):
        fail(task, times=2)
    assert subjects(mailoutbox) == []


def test_a_mail_server_that_is_away_fails_no_run_and_is_tried_again(
    db: None, settings: Settings, mailoutbox: list[object]
) -> None:
    memory, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", CLOSED
    fail("sweep", times=4)
    assert not JobRun.objects.exclude(alerted_at=None).exists()
    settings.EMAIL_BACKEND = memory
    jobs.tell_of_all()
    jobs.tell_of_all()
    assert subjects(mailoutbox) == ["Footfall: sweep fails"]


def test_tasks_that_fail_for_good_are_named(db: None) -> None:
    ended("sweep", "x", "x", "x")
    ended("mop", "x", "x")
    ended("cleanup", "", "y")
    assert sorted(run.task for run in jobs.failing()) == ["cleanup", "sweep"]


# --- Old runs ---------------------------------------------------------------------------------------------


def test_old_runs_go_but_for_the_last_hundred_of_each_task(db: None) -> None:
    ended("sweep", *[""] * 110, age=LONG_AGO)
    ended("mop", *[""] * 3, age=LONG_AGO)
    assert jobs.trim() == 10
    assert JobRun.objects.filter(task="sweep").count() == jobs.KEPT_RUNS
    assert jobs.trim() == 0


def test_young_runs_stay_however_many_they_are(db: None) -> None:
    ended("sweep", *[""] * 110)
    assert jobs.trim() == 0
