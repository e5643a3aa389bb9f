"""What became of every event that reached the door."""

from django.db import models


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
