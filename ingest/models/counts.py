"""What became of every event that reached the door."""

from django.db import models
from django.utils.timezone import now


class IngestCount(models.Model):
    """Events of one site, hour (UTC) and outcome: stored, duplicate, dropped or rejected, with the reason."""

    pk = models.CompositePrimaryKey("site_id", "hour", "outcome", "reason")
    site_id = models.BigIntegerField()
    hour = models.DateTimeField()
    outcome = models.TextField()
    reason = models.TextField()
    events = models.BigIntegerField()

    class Meta:
        db_table = "ingest_count"


class Quarantine(models.Model):
    """One event that the database refused, as it stood in the stream, with the reason."""

    site_id = models.BigIntegerField()
    sqlstate = models.CharField(max_length=5)
    detail = models.TextField()
    entry = models.BinaryField()  # a Batch of this one event, msgpack
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "ingest_quarantine"
        verbose_name_plural = "quarantine"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.sqlstate}: {self.detail}"
