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


class ShieldHit(models.Model):
    """Events that one rule of a site dropped in one hour (UTC)."""

    pk = models.CompositePrimaryKey("site_id", "shield_id", "hour")
    site_id = models.BigIntegerField()
    shield_id = models.BigIntegerField()
    hour = models.DateTimeField()
    events = models.BigIntegerField()

    class Meta:
        db_table = "ingest_shield_hit"


class BotCount(models.Model):
    """Events that one kind of bot sent in one hour (UTC); `name` is a word of our list, never the sender's."""

    pk = models.CompositePrimaryKey("site_id", "hour", "kind", "name")
    site_id = models.BigIntegerField()
    hour = models.DateTimeField()
    kind = models.TextField()
    name = models.TextField()
    events = models.BigIntegerField()

    class Meta:
        db_table = "ingest_bot_count"


class Sample(models.Model):
    """One event that was not counted, for its site's owner to read; few of each reason are kept."""

    site_id = models.BigIntegerField()
    received_at = models.DateTimeField()
    outcome = models.TextField()
    reason = models.TextField()
    detail = models.TextField()
    name = models.TextField()
    page = models.TextField()
    user_agent = models.TextField()
    event = models.TextField()  # of a rejected one: as it was sent

    class Meta:
        db_table = "ingest_sample"
        indexes = [models.Index("site_id", "reason", models.F("received_at").desc(), name="sample_by_reason")]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


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
