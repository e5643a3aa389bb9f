"""Single events taken away: whole days, or rows of some sites."""

import threading
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from ingest import partitions, writer
from ingest.models import DirtyHour, Site
from ingest.retention import cuts, events
from tests.conftest import rows
from tests.ingest.examples import batch, event
from tests.ingest.retention.examples import LATER, MONDAY, at, change, clean, count, count_of, some_days, state, write
from tests.ingest.writers import wait_for, with_own_connection


@pytest.fixture
def brief(old: Site) -> Site:
    """Another site, which keeps events for 90 days where the first keeps them for 400."""
    change(old, events_days=400, sessions_days=400)
    return Site.objects.create(name="Brief", domain="brief.example.com")


def held_by(site: Site) -> int:
    return int(rows("SELECT count(*) FROM ingest_event WHERE site_id = %s", site.pk)[0][0])


def days() -> set[date]:
    return {day for day in partitions.existing(writer.connected()) if day.year < 2026}


def test_it_works(old: Site) -> None:
    some_days(old, 2)
    done = clean()
    assert (done.events, done.partitions) == (12, 2)
    assert days() == set()
    assert partitions.detached(writer.connected()) == set()


def test_the_sites_of_a_day_are_found(old: Site, brief: Site) -> None:
    write(old, at(MONDAY), at(MONDAY))
    write(brief, at(MONDAY))
    assert events.sites_in(writer.connected(), MONDAY) == [old.pk, brief.pk]
    partitions.ensure(writer.connected(), [MONDAY + timedelta(days=1)])
    assert events.sites_in(writer.connected(), MONDAY + timedelta(days=1)) == []


def test_rows_of_a_site_that_keeps_them_for_less_go_alone(old: Site, brief: Site) -> None:
    some_days(old, 2)
    some_days(brief, 2)
    done = clean()
    assert (done.events, done.partitions) == (12, 0)
    assert (held_by(old), held_by(brief)) == (12, 0)


def test_rows_go_in_batches(old: Site, brief: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 5)
    write(old, at(MONDAY))
    write(brief, *(at(MONDAY, minute / 60) for minute in range(12)))
    assert list(events.delete(writer.connected(), MONDAY, brief.pk)) == [5, 5, 2]
    assert (held_by(old), held_by(brief)) == (1, 0)


def test_what_is_young_enough_stays(old: Site) -> None:
    some_days(old, 3)
    kept = datetime(2001, 1, 2, 12, tzinfo=UTC) + timedelta(days=90) + cuts.MARGIN
    done = clean(kept)
    assert (done.closed, done.events) == (1, 6)
    assert days() == {MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)}


def test_a_site_that_does_not_exist_any_more_keeps_no_day(old: Site) -> None:
    gone = Site.objects.create(name="Gone", domain="gone.example.com", events_days=4000, sessions_days=4000)
    write(gone, at(MONDAY))
    some_days(old, 1)
    gone.delete()
    assert clean().partitions == 1
    assert days() == set()


def test_rows_of_a_site_that_is_gone_go_beside_those_that_are_needed(old: Site, brief: Site) -> None:
    gone = Site.objects.create(name="Gone", domain="gone.example.com")
    write(gone, at(MONDAY))
    write(old, at(MONDAY))
    gone.delete()
    clean()
    assert events.sites_in(writer.connected(), MONDAY) == [old.pk]


def test_a_day_without_rows_goes(old: Site) -> None:
    partitions.ensure(writer.connected(), [MONDAY])
    assert clean().partitions == 1
    assert days() == set()


def test_a_day_that_live_events_may_fall_into_stays_empty(old: Site) -> None:
    """Dropped, the next late event of another site would have to make it again."""
    change(old, events_days=2, sessions_days=400)
    some_days(old, 1)
    done = clean(cuts.midnight(MONDAY + timedelta(days=6)))
    assert (done.events, done.partitions, count_of("event")) == (6, 0, 0)
    assert days() == {MONDAY}
    assert clean(cuts.midnight(MONDAY + timedelta(days=12))).partitions == 1


def test_a_mark_that_comes_after_the_closing_holds_the_rows(old: Site, brief: Site) -> None:
    write(brief, at(MONDAY))
    count(brief)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingest_daily_total SET is_final = true")
    DirtyHour.objects.create(site_id=brief.pk, hour=cuts.midnight(MONDAY) + timedelta(hours=3))
    found = events.present(writer.connected(), MONDAY, LATER)
    assert (found.going, found.waiting, found.needed) == ([], [brief.pk], [])
    assert clean().events == 0
    assert held_by(brief) == 1
    count(brief, LATER + timedelta(hours=1))  # which finds that the day cannot be counted again
    assert clean().events == 1


def test_a_day_that_somebody_wrote_into_while_it_was_detached_comes_back(old: Site, brief: Site) -> None:
    some_days(old, 1)
    assert events.remove(writer.connected(), MONDAY, LATER) is None
    assert held_by(old) == 6
    assert partitions.detached(writer.connected()) == set()


def test_a_day_that_was_half_removed_and_is_needed_again_comes_back(old: Site) -> None:
    some_days(old, 1)
    clean(cuts.midnight(MONDAY) + timedelta(days=30))
    partitions.detach(writer.connected(), MONDAY)
    change(old, events_days=400, sessions_days=400)
    Site.objects.create(name="Brief", domain="brief.example.com")
    clean()
    assert held_by(old) == 6


def test_a_day_that_was_half_removed_goes(old: Site) -> None:
    some_days(old, 2)
    partitions.detach(writer.connected(), MONDAY)
    done = clean()
    assert (done.partitions, done.events, done.failed) == (2, 12, ())
    assert partitions.detached(writer.connected()) == set()


def test_events_come_in_while_days_go(old: Site, another: psycopg.Connection) -> None:
    """A reader holds the removal up; nobody else waits for either."""
    some_days(old, 1)
    cleaner = threading.Thread(target=with_own_connection, args=[clean])
    with another.transaction():
        another.execute("SELECT count(*) FROM ingest_event")
        cleaner.start()
        wait_for(lambda: rows("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)])
        writer.connected().execute("SET lock_timeout = '100ms'")
        assert writer.write([batch(old, event())]).stored == 1
    cleaner.join()
    assert days() == set()
    assert count_of("event") == 1
    assert state()["daily_total"][0][5] is True
