"""Building a range again: what is built, what is left alone, and going on after an interruption."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.core.management import CommandError, call_command

from ingest import jobs, tasks
from ingest.clock import DAY, HOUR, day_start
from ingest.management.commands import backfill as command_module
from ingest.models import JobRun, RollupState, Site
from ingest.rollups import backfill, drain, rebuild
from ingest.rollups.backfill import Filled, Moved, Spread
from ingest.sites import KnownSite
from tests.broker import NOWHERE, broker_at
from tests.conftest import database_url, no_postgres, rows
from tests.ingest.rollups.days import MIDNIGHT, NOW, TODAY, YESTERDAY, at, hours, marks, values, write
from tests.ingest.writers import with_own_connection
from tests.product import wait_for

ROOT = Path(__file__).resolve().parents[3]
BEFORE = YESTERDAY - DAY
FIRST = BEFORE - DAY
DAILY_ROWS = """
SELECT (SELECT count(*) FROM ingest_daily_total) + (SELECT count(*) FROM ingest_daily_events)
     + (SELECT count(*) FROM ingest_daily_breakdown)
"""


def history(site: Site) -> None:
    """Three closed days with one, two and three page views, of one visitor each."""
    for number, day in enumerate((FIRST, BEFORE, YESTERDAY), 1):
        hour = (day - YESTERDAY).days * 24 + 9
        write(site, *(at(hour + step / 10, visitor_id=number) for step in range(number)))


def filled(site: Site, first: date | None = None, last: date | None = None, **options: Any) -> Filled:
    done = backfill.site(KnownSite.of(site), first, last, options.pop("now", NOW), **options)
    assert done is not None
    return done


def command(site: Site, *options: str) -> str:
    told = StringIO()
    call_command("backfill", "--site", site.key, *options, stdout=told)
    return told.getvalue()


def events_by_day() -> dict[date, int]:
    return dict(rows("SELECT day, events FROM ingest_daily_total ORDER BY 1"))


def built_at() -> dict[date, datetime]:
    return dict(rows("SELECT day, built_at FROM ingest_daily_total ORDER BY 1"))


def run_of(site: Site) -> JobRun:
    return JobRun.objects.filter(task="backfill", site_id=site.pk).latest("pk")


def interrupted(site: Site, first: date, day: date) -> None:
    """A run from FIRST that ended in the middle, DAY being the last that it built."""
    start = day_start(site.zone, first)
    with jobs.run("backfill", site_id=site.pk, start=start) as job:
        rebuild.day(KnownSite.of(site), backfill.day_of(site.zone, day), datetime.now(UTC))
    JobRun.objects.filter(pk=job.row.pk).update(ended_at=None)


def test_it_works(site: Site) -> None:
    history(site)
    done = filled(site)
    assert (done.days, done.events, done.failed) == (3, 6, ())
    assert events_by_day() == {FIRST: 1, BEFORE: 2, YESTERDAY: 3}
    assert rows("SELECT day, page_views FROM ingest_daily_breakdown WHERE dimension = 'page' ORDER BY 1") == [
        (FIRST, 1), (BEFORE, 2), (YESTERDAY, 3),
    ]  # fmt: skip
    assert marks(site) == []


def test_the_open_day_is_built_by_the_hours_that_are_over(site: Site) -> None:
    now = MIDNIGHT + 2.5 * HOUR
    write(site, at(25.1, visitor_id=1), at(26.1, visitor_id=1))
    done = filled(site, now=now)
    assert (done.days, done.hours) == (0, 2)
    assert hours(site, "events") == {MIDNIGHT + HOUR: (1,)}
    assert marks(site) == [MIDNIGHT + 2 * HOUR]


def test_a_range_is_built_and_no_more(site: Site) -> None:
    history(site)
    filled(site, BEFORE, BEFORE)
    assert events_by_day() == {BEFORE: 2}


def test_a_range_ends_today(site: Site) -> None:
    history(site)
    assert filled(site, YESTERDAY, TODAY + 30 * DAY).days == 1


def test_days_are_those_of_the_sites_zone(site: Site) -> None:
    site.timezone = "Asia/Kathmandu"
    site.save()
    write(site, at(18.5 - 24, visitor_id=1))  # a quarter past midnight there
    filled(site)
    assert events_by_day() == {YESTERDAY: 1}
    assert list(hours(site, "events")) == [MIDNIGHT - DAY - 5.75 * HOUR]


def test_rows_that_were_changed_by_hand_are_replaced(site: Site) -> None:
    history(site)
    filled(site)
    rows("UPDATE ingest_daily_total SET events = 99, page_views = 99 RETURNING 1")
    rows("DELETE FROM ingest_daily_breakdown WHERE dimension = 'page' RETURNING 1")
    filled(site)
    assert events_by_day() == {FIRST: 1, BEFORE: 2, YESTERDAY: 3}
    assert len(rows("SELECT 1 FROM ingest_daily_breakdown WHERE dimension = 'page'")) == 3


def test_a_property_that_was_chosen_has_a_history(site: Site) -> None:
    write(site, at(9, visitor_id=1, properties={"plan": "gold"}))
    filled(site)
    site.property_dimensions = ["plan"]
    filled(site)
    assert values(site, "property:plan") == {"gold": (1,)}


def test_a_site_without_events_has_nothing_to_build(site: Site) -> None:
    assert backfill.site(KnownSite.of(site), None, None, NOW) is None
    assert JobRun.objects.count() == 0


def test_twice_is_once(site: Site) -> None:
    history(site)
    filled(site)
    before = rows("SELECT * FROM ingest_daily_breakdown ORDER BY day, dimension, place")
    assert filled(site).days == 3
    assert rows("SELECT * FROM ingest_daily_breakdown ORDER BY day, dimension, place") == before


# --- What is left alone -----------------------------------------------------------------------------------


def test_a_final_day_stays_and_is_told(site: Site) -> None:
    history(site)
    filled(site)
    rows("UPDATE ingest_daily_total SET is_final = true, events = 50 WHERE day = %s RETURNING 1", BEFORE)
    done = filled(site)
    assert (done.days, done.gone) == (2, (BEFORE,))
    assert f"Left as they are, since their events are gone: {BEFORE}." in str(done)
    assert events_by_day()[BEFORE] == 50


def test_a_day_whose_events_somebody_took_away_stays(site: Site) -> None:
    history(site)
    filled(site)
    rows("DELETE FROM ingest_event WHERE ts < %s RETURNING 1", MIDNIGHT - DAY)
    done = filled(site, FIRST)
    assert done.gone == (FIRST, BEFORE)
    assert events_by_day() == {FIRST: 1, BEFORE: 2, YESTERDAY: 3}


def test_a_day_without_events_whose_mark_waits_is_built(site: Site) -> None:
    """As after a rule that covers all of it."""
    history(site)
    filled(site)
    rows("DELETE FROM ingest_event WHERE ts < %s RETURNING 1", MIDNIGHT - 2 * DAY)
    rows("INSERT INTO ingest_dirty_hour (site_id, hour) VALUES (%s, %s) RETURNING 1", site.pk, MIDNIGHT - 2.5 * DAY)
    assert filled(site, FIRST).gone == ()
    assert events_by_day() == {BEFORE: 2, YESTERDAY: 3}


def test_a_day_in_other_hands_is_tried_again(committed: Site) -> None:
    history(committed)
    holding, tried = threading.Event(), threading.Event()

    def hold() -> None:
        with rebuild.building(committed.pk, FIRST):
            holding.set()
            tried.wait(30)

    other = threading.Thread(target=with_own_connection, args=(hold,))
    other.start()
    holding.wait(30)
    # The days after it come first, and tell the other one to let go.
    done = filled(committed, watch=lambda moved: tried.set() if moved.day == YESTERDAY else None)
    other.join()
    assert (done.days, done.failed) == (3, ())


def test_a_day_that_stays_in_other_hands_is_told(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    history(committed)
    monkeypatch.setattr(backfill, "BUSY_SECONDS", 0)
    with psycopg.connect(database_url()) as conn:
        conn.execute(rebuild.LOCK, (rebuild.lock_of(committed.pk, BEFORE),))
        done = filled(committed)
    assert done.days == 2
    assert done.failed == (f"{BEFORE} could not be built: somebody else has been building it for 0 minutes.",)
    assert run_of(committed).error == done.failed[0]


def test_a_day_that_fails_keeps_no_other_from_being_built(site: Site) -> None:
    history(site)
    write(site, at(9.5, visitor_id=4))
    rows("UPDATE ingest_visitor SET number = 5000000000 WHERE id = 4 RETURNING 1")
    done = filled(site)
    assert done.days == 2
    assert done.failed == (
        f"{YESTERDAY} could not be built: visitor number 5000000000: a site has at most 4,294,967,295 visitors.",
    )


def test_days_that_are_those_of_another_zone_meanwhile_are_told(site: Site) -> None:
    history(site)
    plan = backfill.plan(KnownSite.of(site), FIRST, FIRST, NOW)
    RollupState.objects.update(zone="Asia/Kathmandu")
    [failed] = backfill.run(plan, NOW).failed
    assert failed == f"{FIRST} could not be built: the site's days are those of another zone now, run this again."


# --- Going on ---------------------------------------------------------------------------------------------


def test_a_run_is_written_down(site: Site) -> None:
    history(site)
    done = filled(site)
    run = run_of(site)
    assert (run.done, run.total, run.error, run.detail) == (3, 3, "", str(done))
    assert run.range_start == day_start(site.zone, FIRST)
    assert run.rows == done.rows > 20


def test_what_was_interrupted_goes_on(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    before, moved = built_at(), list[Moved]()
    done = filled(site, watch=moved.append)
    assert (done.days, moved[0].done, moved[-1].done) == (2, 1, 3)
    assert built_at()[FIRST] == before[FIRST]


def test_a_run_that_went_on_says_since_when(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    began = run_of(site).started_at
    assert filled(site).since == began
    assert run_of(site).started_at == began


def test_what_a_run_built_before_it_was_stopped_is_not_built_again(site: Site) -> None:
    history(site)
    with pytest.raises(KeyboardInterrupt):
        filled(site, watch=stop_after(BEFORE), now=datetime.now(UTC))
    assert filled(site).days == 1


def test_interrupted_twice_it_still_goes_on(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    with pytest.raises(KeyboardInterrupt):
        filled(site, watch=stop_after(BEFORE))
    assert filled(site).days == 1


def stop_after(day: date) -> backfill.Watch:
    def watch(moved: Moved) -> None:
        if moved.day == day:
            raise KeyboardInterrupt

    return watch


def test_what_came_to_its_end_begins_anew(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    filled(site)
    assert (filled(site).days, filled(site).since) == (3, None)


def test_it_begins_anew_when_told_to(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    done = filled(site, is_anew=True)
    assert (done.days, done.since) == (3, None)


def test_another_range_does_not_go_on(site: Site) -> None:
    history(site)
    interrupted(site, BEFORE, BEFORE)
    assert filled(site).days == 3


def test_what_stopped_days_ago_begins_anew(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    JobRun.objects.update(seen_at=datetime.now(UTC) - timedelta(days=3))
    assert filled(site).since is None


def test_a_database_that_goes_away_ends_the_run(committed: Site) -> None:
    history(committed)

    def lose(moved: Moved) -> None:
        if moved.day == FIRST:
            away.__enter__()

    away = no_postgres()
    try:
        with pytest.raises(Exception, match="connection"):
            filled(committed, watch=lose)
    finally:
        away.__exit__(None, None, None)
    assert filled(committed).days == 2  # it went on


# --- Spread over workers ----------------------------------------------------------------------------------


class Workers:
    """Take what they are handed, and build the first SOME days of it; the rest is lost, as when they are killed."""

    def __init__(self, some: int = 100) -> None:
        self.some, self.handed = some, list[list[date]]()

    def hand(self, site_id: int, days: list[date], run_id: int) -> None:
        self.handed.append(days)
        tasks.backfill_days(site_id, [day.isoformat() for day in days[: self.some]], run_id)
        self.some -= len(days[: self.some])


def test_workers_build_what_they_are_handed(site: Site) -> None:
    history(site)
    workers = Workers()
    done = filled(site, spread=Spread(workers.hand, 2))
    assert (done.days, done.events) == (3, 6)
    assert workers.handed == [[FIRST], [BEFORE], [YESTERDAY]]
    assert [(done.rows,)] == rows(DAILY_ROWS)


def test_what_a_killed_worker_held_is_built_by_the_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "QUIET_SECONDS", 0.3)
    history(site)
    done = filled(site, spread=Spread(Workers(some=1).hand, 2))
    assert (done.days, done.events, run_of(site).done) == (3, 6, 3)
    assert events_by_day() == {FIRST: 1, BEFORE: 2, YESTERDAY: 3}


def test_what_workers_cannot_build_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "QUIET_SECONDS", 0.1)
    history(site)
    rows("UPDATE ingest_visitor SET number = 5000000000 WHERE id = 3 RETURNING 1")
    done = filled(site, spread=Spread(Workers().hand, 2))
    assert (done.days, len(done.failed)) == (2, 1)


def test_a_long_range_is_handed_out_in_parts(site: Site) -> None:
    for back in range(8):
        write(site, at(9 - 24 * back, visitor_id=1))
    workers = Workers()
    filled(site, spread=Spread(workers.hand, 1))
    assert [len(days) for days in workers.handed] == [2, 2, 2, 2]


def test_a_day_is_not_built_twice_by_workers_that_get_it_twice(site: Site) -> None:
    history(site)
    with jobs.run("backfill", site_id=site.pk) as job:
        tasks.backfill_days(site.pk, [FIRST.isoformat()], job.row.pk)
        before = built_at()
        tasks.backfill_days(site.pk, [FIRST.isoformat(), BEFORE.isoformat()], job.row.pk)
    assert built_at()[FIRST] == before[FIRST]
    assert BEFORE in built_at()


def test_a_worker_does_nothing_for_a_run_that_is_over(site: Site) -> None:
    history(site)
    with jobs.run("backfill", site_id=site.pk) as job:
        pass
    tasks.backfill_days(site.pk, [FIRST.isoformat()], job.row.pk)
    assert events_by_day() == {}


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A real one, over the test's database and broker."""
    environment = {**os.environ, "DATABASE_URL": database_url(), "PYTHONWARNINGS": "ignore"}
    line = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "analytics_site.celery",
        "worker",
        "--pool",
        "solo",
        "--without-mingle",
    ]
    process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def answers() -> bool:
    with current_app.connection_for_write() as broker:
        return bool(current_app.control.ping(timeout=1, connection=broker))


def test_real_workers_build_what_the_command_hands_out(committed: Site) -> None:
    history(committed)
    with worker():
        wait_for(answers, 60)
        [told] = json.loads(command(committed, "--jobs", "2", "--json"))
    assert (told["days"], told["events"], told["failed"]) == (3, 6, [])
    assert events_by_day() == {FIRST: 1, BEFORE: 2, YESTERDAY: 3}


def test_without_a_worker_nothing_is_handed_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "PING_SECONDS", 1)
    with pytest.raises(CommandError, match=r"--jobs 2: no worker answers within 1 s\. Start one with"):
        command(site, "--jobs", "2")


def test_without_a_broker_nothing_is_handed_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "PING_SECONDS", 1)
    with broker_at(NOWHERE), pytest.raises(CommandError, match="--jobs 2: the broker of the workers cannot be reached"):
        command(site, "--jobs", "2")


def test_a_broker_that_goes_away_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    history(site)
    monkeypatch.setattr(command_module, "_spread", lambda jobs: Spread(command_module._hand, jobs))
    with (
        broker_at(NOWHERE),
        pytest.raises(CommandError, match=r"goes on from there\. The broker of the workers says: "),
    ):
        command(site, "--jobs", "2")


# --- The command and the page -----------------------------------------------------------------------------


def test_the_command_tells_what_it_did(site: Site) -> None:
    history(site)
    told = command(site)
    assert told.startswith(f"shop.example.com ({site.key}): Built 3 days and ")
    assert "from 6 events." in told
    assert "events a second." in told


def test_it_tells_json(site: Site) -> None:
    history(site)
    [told] = json.loads(command(site, "--json", f"--from={BEFORE}", f"--to={YESTERDAY}"))
    del told["seconds"], told["rows"]
    assert told == {
        "site": site.key, "days": 2, "hours": 0, "events": 5, "gone": [], "failed": [], "resumed_from": None,
    }  # fmt: skip


def test_it_goes_on_with_the_same_command_and_begins_anew_with_restart(site: Site) -> None:
    history(site)
    interrupted(site, FIRST, FIRST)
    assert "It went on with the run of " in command(site, f"--to={YESTERDAY}")
    interrupted(site, FIRST, FIRST)
    assert "It went on" not in command(site, f"--to={YESTERDAY}", "--restart")


def test_all_sites_are_built(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com", is_active=False)
    history(site)
    write(other, at(9, visitor_id=1))
    told = StringIO()
    call_command("backfill", "--all", "--json", stdout=told)
    assert [(one["site"], one["days"]) for one in json.loads(told.getvalue())] == [(site.key, 3), (other.key, 1)]


def test_a_site_without_events_is_said(site: Site) -> None:
    assert command(site) == "No events, so nothing to build.\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--site", "nobody"], "--site nobody: no site has this key. `manage.py sites` lists them."),
        ([], "Say which: --site KEY, as often as you like, or --all."),
        (["--site", "nobody", "--all"], "Say which: --site KEY, as often as you like, or --all."),
        (["--all", "--from=2026-03-02", "--to=2026-03-01"], "--from 2026-03-02 --to 2026-03-01: the first day"),
        (["--all", "--from=2199-01-01"], "--from 2199-01-01: must be "),
        (["--all", "--from=yesterday"], "yesterday: is no day. Write it as 2026-11-01."),
        (["--all", "--jobs=0"], "--jobs 0: must be from 1 to 64."),
        (["--all", "--jobs=65"], "--jobs 65: must be from 1 to 64."),
    ],
)
def test_what_cannot_be_done_is_said(site: Site, options: list[str], error: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("backfill", *options)
    assert error in str(refused.value)


def test_a_day_that_could_not_be_built_ends_the_command_with_an_error(site: Site) -> None:
    history(site)
    rows("UPDATE ingest_visitor SET number = 5000000000 WHERE id = 3 RETURNING 1")
    told = StringIO()
    with pytest.raises(CommandError, match=r"Not all days were built\. Run the same command again"):
        call_command("backfill", "--site", site.key, stdout=told)
    assert f"  {YESTERDAY} could not be built: visitor number 5000000000" in told.getvalue()


def test_a_database_that_is_away_is_said(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    history(committed)

    def gone(*_: Any) -> None:
        with no_postgres():
            rows("SELECT 1")

    monkeypatch.setattr(backfill.gone, "days", gone)
    with pytest.raises(CommandError, match=r"it goes on from there\. PostgreSQL says: "):
        command(committed)


def test_a_page_has_a_site_built(site: Site) -> None:
    history(site)
    tasks.backfill_site(site.pk)
    assert len(events_by_day()) == 3
    tasks.backfill_site(site.pk + 1)


def test_a_page_has_some_days_built(site: Site) -> None:
    history(site)
    tasks.backfill_site(site.pk, BEFORE.isoformat(), BEFORE.isoformat())
    assert events_by_day() == {BEFORE: 2}


def test_a_page_that_asks_again_waits_for_the_first(committed: Site) -> None:
    history(committed)
    with jobs.run("backfill", site_id=committed.pk):
        tasks.backfill_site(committed.pk)
    assert events_by_day() == {}


def test_backfill_and_draining_do_not_disturb_each_other(committed: Site) -> None:
    history(committed)
    known = KnownSite.of(committed)
    other = threading.Thread(target=with_own_connection, args=(lambda: drain.of_closed_days(known, NOW),))
    other.start()
    done = filled(committed)
    other.join()
    assert (done.failed, events_by_day()) == ((), {FIRST: 1, BEFORE: 2, YESTERDAY: 3})
