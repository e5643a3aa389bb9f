"""The periodic tasks, made in the database when missing; what the admin changes there stays changed."""

from typing import Any, NamedTuple


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
)  # fmt: skip


def ensure(**_: Any) -> None:
    """After each migration."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    for one in SCHEDULE:
        if PeriodicTask.objects.filter(name=one.name).exists():
            continue
        crontab, _made = CrontabSchedule.objects.get_or_create(minute=one.minute, hour=one.hour, timezone="UTC")
        PeriodicTask.objects.create(name=one.name, task=one.task, crontab=crontab, description=one.description)
