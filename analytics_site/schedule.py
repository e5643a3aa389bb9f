"""The periodic tasks, made in the database when missing; what the admin changes there stays changed."""

from typing import Any, NamedTuple

from django.db import connection


class Periodic(NamedTuple):
    name: str
    task: str
    minute: str
    hour: str
    description: str


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
        "Dirty hours", "ingest.tasks.compact_dirty_hours", "20", "*",
        "Keeps one mark of each hour whose figures changed.",
    ),
    Periodic(
        "Samples", "ingest.tasks.trim_samples", "50", "*",
        "Keeps the newest twenty samples of each site and reason, for 30 days.",
    ),
)  # fmt: skip


DAILY = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}


def ensure(**_: Any) -> None:
    """After each migration; nothing while the tables are not there, since others are migrated first."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    if PeriodicTask._meta.db_table not in connection.introspection.table_names():
        return
    for one in SCHEDULE:
        if PeriodicTask.objects.filter(name=one.name).exists():
            continue
        crontab = CrontabSchedule.objects.filter(minute=one.minute, hour=one.hour, **DAILY).first()
        crontab = crontab or CrontabSchedule.objects.create(minute=one.minute, hour=one.hour, **DAILY)
        PeriodicTask.objects.create(name=one.name, task=one.task, crontab=crontab, description=one.description)
