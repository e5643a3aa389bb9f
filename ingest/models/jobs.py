"""What ran, and what was asked for. Small tables, shown to staff."""

from datetime import timedelta

from django.db import models
from django.utils.timezone import now

SILENCE = timedelta(minutes=5)  # longer without a sign of life means that the process is gone


class JobRun(models.Model):
    """One run of a periodic or long task. Without an end it still runs, or its process has died."""

    task = models.CharField(max_length=60)
    site_id = models.BigIntegerField(null=True)  # none: all of them
    range_start = models.DateTimeField(null=True)
    range_end = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=now)
    seen_at = models.DateTimeField(default=now)  # the last sign of life
    ended_at = models.DateTimeField(null=True)
    done = models.BigIntegerField(default=0)  # of `total`, where that is known
    total = models.BigIntegerField(null=True)
    rows = models.BigIntegerField(default=0)  # written or deleted
    detail = models.TextField(default="")  # what it did, as a sentence
    error = models.TextField(default="")
    alerted_at = models.DateTimeField(null=True)  # staff were told that it failed, or that it works again

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index("task", models.F("id").desc(), name="job_run_by_task")]

    def __str__(self) -> str:
        return f"{self.task}, {self.started_at:%Y-%m-%d %H:%M}"

    @staticmethod
    def failures() -> models.Q:
        """Runs that ended with an error, or whose process is gone."""
        return ~models.Q(error="") | models.Q(ended_at=None, seen_at__lt=now() - SILENCE)

    @property
    def is_lost(self) -> bool:
        return self.ended_at is None and self.seen_at < now() - SILENCE

    @property
    def is_running(self) -> bool:
        return self.ended_at is None and not self.is_lost

    @property
    def problem(self) -> str:
        """What went wrong, as sentences; "" when nothing did."""
        if self.is_lost:
            return f"Its process is gone: no sign of life since {self.seen_at:%Y-%m-%d %H:%M} UTC."
        return self.error


class PersonRequest(models.Model):
    """That somebody's data was handed out or erased, and how much it was. Never whose."""

    class Kind(models.TextChoices):
        EXPORT = "export", "Export"
        ERASURE = "erasure", "Erasure"

    site = models.ForeignKey("ingest.Site", on_delete=models.CASCADE, related_name="person_requests")
    kind = models.CharField(max_length=8, choices=Kind)
    asked_by = models.CharField(max_length=254)  # the account, the API key, or the command
    asked_at = models.DateTimeField(default=now)
    done_at = models.DateTimeField(null=True)
    visitors = models.BigIntegerField(default=0)
    sessions = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    others = models.BigIntegerField(default=0)  # entries set aside and samples

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.asked_at:%Y-%m-%d %H:%M}"
