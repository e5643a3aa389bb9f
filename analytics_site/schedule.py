"""The periodic tasks, made in the database when missing; what the admin changes there stays changed."""

from typing import Any, NamedTuple

from django.db import connection


class Periodic(NamedTuple):
    name: str
    task: str
    minute: str
    hour: str
    description: str
    expires: int | None = None  # seconds: what waited longer for a worker is left to the next one


SCHEDULE = (
    Periodic(
        "Partitions ahead", "ingest.tasks.make_partitions", "30", "*/6",
        "Makes the next days' partitions of the event table.",
    ),
    Periodic(
        "Salts", "ingest.tasks.rotate_salts", "5", "*/6",
        "Makes tomorrow's salt of anonymous visitors and deletes those over 48 hours old.",
    ),
    Periodic(
        "Closed days", "ingest.tasks.drain_closed_days", "*", "*",
        "Counts the days that have closed, and closed ones that late events changed.", expires=55,
    ),
    Periodic(
        "Hours", "ingest.tasks.drain_hours", "5", "*",
        "Counts the hours that have closed, two hours before them, and every hour that events changed.", expires=3_300,
    ),
    Periodic(
        "Cleanup", "ingest.tasks.cleanup", "0", "2",
        "Deletes what sites keep no longer: events, then sessions, then aggregates.",
    ),
    Periodic(
        "Freshness", "ingest.tasks.check_freshness", "*/10", "*",
        "Looks whether hours, days, partitions or tasks are behind, and tells ALERT_EMAILS.", expires=550,
    ),
    Periodic(
        "Samples", "ingest.tasks.trim_samples", "50", "*",
        "Keeps the newest twenty samples of each site and reason, for 30 days.",
    ),
    Periodic(
        "Runs", "ingest.tasks.trim_runs", "40", "3",
        "Keeps the runs of tasks of 90 days, and the last hundred of each.",
    ),
)  # fmt: skip
RETIRED = ("ingest.tasks.compact_dirty_hours",)  # tasks of earlier releases


DAILY = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}


def ensure(**_: Any) -> None:
    """After each migration; nothing while the tables are not there, since others are migrated first."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    if PeriodicTask._meta.db_table not in connection.introspection.table_names():
        return
    PeriodicTask.objects.filter(task__in=RETIRED).delete()
    for one in SCHEDULE:
        if PeriodicTask.objects.filter(name=one.name).exists():
            continue
        crontab = CrontabSchedule.objects.filter(minute=one.minute, hour=one.hour, **DAILY).first()
        crontab = crontab or CrontabSchedule.objects.create(minute=one.minute, hour=one.hour, **DAILY)
        about = {"task": one.task, "description": one.description, "expire_seconds": one.expires}
        PeriodicTask.objects.create(name=one.name, crontab=crontab, **about)
