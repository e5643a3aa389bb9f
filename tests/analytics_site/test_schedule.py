"""The periodic tasks as rows: made when missing, left alone after."""

import pytest
from celery import current_app
from django.db import connection
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from analytics_site import celery, schedule

NAMES = [one.name for one in schedule.SCHEDULE]


def test_it_works(db: None) -> None:
    assert set(NAMES) <= set(PeriodicTask.objects.values_list("name", flat=True))  # the migrations made them
    for one in schedule.SCHEDULE:
        row = PeriodicTask.objects.get(name=one.name)
        assert (row.task, row.crontab.minute, row.crontab.hour, row.enabled) == (one.task, one.minute, one.hour, True)


def test_twice_changes_nothing(db: None) -> None:
    before = list(PeriodicTask.objects.values_list("pk", "name"))
    schedule.ensure()
    assert list(PeriodicTask.objects.values_list("pk", "name")) == before


def test_what_was_changed_stays_changed(db: None) -> None:
    PeriodicTask.objects.filter(name=NAMES[0]).update(enabled=False, description="not here")
    schedule.ensure()
    row = PeriodicTask.objects.get(name=NAMES[0])
    assert (row.enabled, row.description) == (False, "not here")


def test_what_was_deleted_is_made_again(db: None) -> None:
    PeriodicTask.objects.filter(name=NAMES[0]).delete()
    schedule.ensure()
    assert PeriodicTask.objects.filter(name=NAMES[0]).count() == 1


@pytest.mark.parametrize("copies", [1, 2])
def test_another_schedule_with_the_same_hours_is_not_taken(db: None, copies: int) -> None:
    """Made in the admin for Mondays only: the salts must rotate on every day."""
    one = schedule.SCHEDULE[0]
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    for day in range(copies):
        CrontabSchedule.objects.create(minute=one.minute, hour=one.hour, day_of_week=str(day + 1), timezone="UTC")
    schedule.ensure()
    assert PeriodicTask.objects.get(name=one.name).crontab.day_of_week == "*"


def test_the_tables_of_other_apps_may_come_first(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_celery_beat_periodictask RENAME TO not_yet")
    schedule.ensure()


def test_every_task_exists() -> None:
    celery.app.loader.import_default_modules()
    assert {one.task for one in schedule.SCHEDULE} <= set(current_app.tasks)


def test_every_task_says_what_it_is_for() -> None:
    assert all(one.description.endswith(".") for one in schedule.SCHEDULE)


def test_tasks_of_earlier_releases_are_taken_out(db: None) -> None:
    """Whatever they were called in the admin: a worker knows them no more."""
    crontab = CrontabSchedule.objects.create(minute="20", hour="*")
    PeriodicTask.objects.create(name="My marks", task="ingest.tasks.compact_dirty_hours", crontab=crontab)
    schedule.ensure()
    assert not PeriodicTask.objects.filter(name="My marks").exists()


def test_no_retired_task_is_in_the_schedule_or_known_to_workers() -> None:
    celery.app.loader.import_default_modules()
    assert not set(schedule.RETIRED) & ({one.task for one in schedule.SCHEDULE} | set(current_app.tasks))


def test_what_waited_too_long_for_a_worker_is_left_to_the_next(db: None) -> None:
    """Or a worker that was away for a night would begin with hundreds of runs of every minute."""
    assert PeriodicTask.objects.get(name="Closed days").expire_seconds == 55
    assert PeriodicTask.objects.get(name="Salts").expire_seconds is None
