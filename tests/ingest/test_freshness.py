"""What is behind, as figures and as sentences."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ingest import freshness, partitions, writer
from ingest.freshness import Freshness
from ingest.models import DirtyHour, JobRun, RollupState, Site

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
FRESH = Freshness(None, 0, 0, (), (), 7)


def found(now: datetime | None = None) -> Freshness:
    """At NOW, where partitions are those of the real clock."""
    return freshness.found(now or NOW)._replace(days_ahead=7)


def mark(hour: datetime, marked_at: datetime, site_id: int = 1) -> None:
    DirtyHour.objects.create(site_id=site_id, hour=hour, marked_at=marked_at)


def built(site: Site, hours_until: datetime, days_until: datetime) -> None:
    RollupState.objects.create(
        site_id=site.pk, zone=site.timezone, hours_until=hours_until, days_until=days_until.date()
    )


@pytest.fixture
def old(site: Site) -> Site:
    site.created_at = NOW - 30 * DAY
    site.save()
    return site


def test_it_works(old: Site) -> None:
    built(old, NOW.replace(minute=0), NOW)
    assert found() == FRESH
    assert found().is_fresh


def test_the_days_ahead_are_those_without_a_gap(db: None) -> None:
    conn, now = writer.connected(), datetime.now(UTC)
    partitions.ensure(conn, partitions.ahead(now, 4))
    assert freshness.found(now).days_ahead >= 4
    conn.execute(f"DROP TABLE {partitions.name_of(now.date() + 2 * DAY)}")
    assert freshness.found(now).days_ahead == 1
    assert freshness.found(now).sentences() == ["Partitions ahead: 1 day, 2 are the least. Run manage.py partitions."]


# --- Hours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hour", "marked_at", "is_late"),
    [
        (NOW - 5 * DAY, NOW - 5 * MINUTE, False),  # an event came five days late, just now
        (NOW - 5 * DAY, NOW - 71 * MINUTE, True),
        (NOW - 65 * MINUTE, NOW - 65 * MINUTE, False),  # its hour is over since five minutes
        (NOW - 129 * MINUTE, NOW - 129 * MINUTE, False),
        (NOW - 131 * MINUTE, NOW - 129 * MINUTE, True),
        (NOW - 30 * MINUTE, NOW - 29 * MINUTE, False),
    ],
)
def test_an_hour_is_late_when_neither_its_end_nor_its_mark_is_young(
    db: None, hour: datetime, marked_at: datetime, is_late: bool
) -> None:
    mark(hour, marked_at)
    assert (found().hours_late, found().oldest_dirty_hour) == ((1, hour) if is_late else (0, None))


def test_each_late_hour_is_told_once(db: None) -> None:
    for site_id, back in ((1, 5), (1, 5), (1, 6), (2, 5)):
        mark(NOW - back * HOUR, NOW - 4 * HOUR, site_id)
    late = "3 hours of 2 sites, the oldest from 2026-11-20 06:30 UTC"
    assert found().sentences() == [f"Not counted for over 70 minutes: {late}. See the runs of drain_hours."]


def test_writers_say_when_they_mark(committed: Site, another: psycopg.Connection) -> None:
    """One of an earlier release knows of no such column."""
    another.execute("INSERT INTO ingest_dirty_hour (site_id, hour) VALUES (1, %s)", (NOW,))
    assert abs(DirtyHour.objects.get().marked_at - datetime.now(UTC)) < MINUTE


# --- Sites ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours_until", "days_until", "is_behind"),
    [
        (NOW - 155 * MINUTE, NOW, False),
        (NOW - 165 * MINUTE, NOW, True),
        (NOW, NOW - DAY, True),
    ],
)
def test_a_site_is_behind_when_its_hours_or_days_stop(
    old: Site, hours_until: datetime, days_until: datetime, is_behind: bool
) -> None:
    built(old, hours_until, days_until)
    assert found().sites_behind == ((old.pk,) if is_behind else ())


@pytest.mark.parametrize(("now", "is_behind"), [("2026-11-21T00:30", False), ("2026-11-21T01:11", True)])
def test_a_day_that_has_just_closed_is_given_time(old: Site, now: str, is_behind: bool) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    built(old, moment, NOW)
    assert bool(found(moment).sites_behind) == is_behind


def test_days_are_those_of_the_sites_zone(old: Site) -> None:
    """In Tokyo it is the 21st since 15:00 UTC."""
    Site.objects.update(timezone="Asia/Tokyo")
    built(old, NOW + 4 * HOUR, NOW)
    assert found(NOW + 3 * HOUR).sites_behind == ()
    assert found(NOW + 4 * HOUR).sites_behind == (old.pk,)


def test_a_site_whose_zone_nobody_knows_is_behind(old: Site) -> None:
    Site.objects.update(timezone="Mars/Olympus_Mons")
    built(old, NOW, NOW)
    assert found().sites_behind == (old.pk,)


def test_a_site_that_was_never_built_is_behind_unless_it_is_new(old: Site) -> None:
    assert found().sites_behind == (old.pk,)
    Site.objects.update(created_at=NOW - 60 * MINUTE)
    assert found().is_fresh


def test_many_sites_are_not_listed_whole(db: None) -> None:
    told = FRESH._replace(sites_behind=tuple(range(1, 8))).sentences()
    assert told == ["Figures stop too early: 7 sites (number 1, 2, 3, 4, 5, …). Do worker and beat run?"]


# --- Tasks ------------------------------------------------------------------------------------------------


def test_a_task_that_fails_for_good_is_named_and_the_check_itself_is_not(db: None) -> None:
    for task in ("cleanup", "check_freshness"):
        JobRun.objects.create(task=task, error="x", ended_at=NOW)
    assert found().jobs_failing == ("cleanup",)
    assert found().sentences() == ["cleanup fails every time lately: see its last run."]


def test_it_costs_the_same_queries_however_many_sites_there_are(
    old: Site, django_assert_max_num_queries: object
) -> None:
    Site.objects.bulk_create(Site(name=f"{n}", domain="a.example", created_at=NOW - 9 * DAY) for n in range(50))
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        assert len(found().sites_behind) == 51
