"""The big tables. Written by `ingest.writer` with COPY, read by `reports.queries`, never counted by the ORM.

`ingest_event` and its daily partitions are made by SQL (migration 0002 and `ingest.partitions`); the columns
of the others are declared here. Every key begins with the site, so that the tables can be spread by it.
"""

from django.db import models
from django.db.models.functions import Now


class Event(models.Model):
    """One event. Partitioned by day of `ts`; a unique index (site_id, id) on each day's partition."""

    pk = models.CompositePrimaryKey("site_id", "id")
    site_id = models.BigIntegerField()
    id = models.UUIDField()
    ts = models.DateTimeField()
    sent_ts = models.DateTimeField(null=True)  # the time as the client sent it, where it was corrected
    session_id = models.BigIntegerField()
    visitor_id = models.BigIntegerField()
    name = models.TextField()
    category = models.TextField(null=True)
    label = models.TextField(null=True)
    hostname = models.TextField(null=True)
    path = models.TextField(null=True)
    query = models.TextField(null=True)  # the allow-listed part of the address's query
    title = models.TextField(null=True)
    referrer = models.TextField(null=True)  # external ones only
    properties = models.JSONField(null=True)
    value = models.FloatField(null=True)
    currency = models.TextField(null=True)
    user_id = models.TextField(null=True)
    engaged_ms = models.IntegerField(null=True)
    scroll = models.SmallIntegerField(null=True)
    batch_id = models.UUIDField(null=True)
    correlation_id = models.TextField(null=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ingest_event"


class Session(models.Model):
    """One session, complete: who, from where, with what, and how much of each kind.

    `started_at` and `last_activity` span the events that count; `seen_from` and `seen_until` all of them
    (an engagement ping keeps a session alive and changes no figure). A row whose `events` is 0 has had pings
    only and is no session for a reader.
    """

    pk = models.CompositePrimaryKey("site_id", "id")
    site_id = models.BigIntegerField()
    id = models.BigIntegerField()
    visitor_id = models.BigIntegerField()
    user_id = models.TextField(null=True)
    user_at = models.DateTimeField(null=True)  # when user_id was said: the latest wins in any order
    is_derived = models.BooleanField()  # found by inactivity, not named by the client
    is_new_visitor = models.BooleanField()
    seen_from = models.DateTimeField()
    seen_until = models.DateTimeField()
    started_at = models.DateTimeField()
    last_activity = models.DateTimeField()
    first_event = models.UUIDField()  # breaks ties of `started_at`, so that any order folds alike
    entry_at = models.DateTimeField(null=True)
    entry_page = models.TextField(null=True)
    exit_at = models.DateTimeField(null=True)
    exit_page = models.TextField(null=True)
    hostname = models.TextField(null=True)
    referrer = models.TextField(null=True)
    source = models.TextField()
    channel = models.TextField()
    utm_source = models.TextField(null=True)
    utm_medium = models.TextField(null=True)
    utm_campaign = models.TextField(null=True)
    utm_term = models.TextField(null=True)
    utm_content = models.TextField(null=True)
    click_ids = models.JSONField(null=True)
    device = models.TextField(null=True)
    browser = models.TextField(null=True)
    browser_version = models.TextField(null=True)
    os = models.TextField(null=True)
    os_version = models.TextField(null=True)
    user_agent = models.TextField(null=True)
    screen = models.TextField(null=True)
    viewport = models.TextField(null=True)
    language = models.TextField(null=True)
    timezone = models.TextField(null=True)
    color_scheme = models.TextField(null=True)
    connection = models.TextField(null=True)
    country = models.TextField(null=True)  # ISO 3166-1 alpha-2
    region = models.TextField(null=True)
    city = models.TextField(null=True)
    lat = models.FloatField(null=True)
    lon = models.FloatField(null=True)
    page_views = models.IntegerField()
    events = models.IntegerField()  # all that count, page views included
    interactive = models.IntegerField()  # those that are no page view and end a bounce
    impressions = models.IntegerField()
    interactions = models.IntegerField()
    errors = models.IntegerField()
    engaged_ms = models.BigIntegerField()
    scroll = models.SmallIntegerField()
    revenue = models.FloatField()
    is_bounce = models.BooleanField()

    class Meta:
        db_table = "ingest_session"
        indexes = [
            models.Index("site_id", "visitor_id", "seen_until", name="session_by_visitor"),
            models.Index("site_id", "started_at", name="session_by_start"),
            models.Index("site_id", "last_activity", name="session_by_activity"),
        ]


class Visitor(models.Model):
    """One visitor; `number` is dense per site, so that sets of visitors are small bitmaps."""

    pk = models.CompositePrimaryKey("site_id", "id")
    site_id = models.BigIntegerField()
    id = models.BigIntegerField()
    number = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    user_id = models.TextField(null=True)
    user_at = models.DateTimeField(null=True)  # when user_id was said, so that a late word does not win
    properties = models.JSONField(null=True)
    properties_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ingest_visitor"
        constraints = [
            models.UniqueConstraint(fields=["site_id", "number"], name="visitor_by_number"),
        ]


class VisitorNumber(models.Model):
    """How many visitor numbers a site has given out; locked while a batch takes its block."""

    site_id = models.BigIntegerField(primary_key=True)
    allocated = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ingest_visitor_number"


class DirtyHour(models.Model):
    """An insert-only log of hours whose rows changed; whoever rebuilds one deletes the marks it read."""

    site_id = models.BigIntegerField()
    hour = models.DateTimeField()
    marked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ingest_dirty_hour"
        indexes = [models.Index("site_id", "hour", name="dirty_hour_by_site")]


class Salt(models.Model):
    """The random key of one UTC day, from which anonymous visitor ids of that day are made. Kept 48 hours."""

    day = models.DateField(primary_key=True)
    value = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ingest_salt"


class Shard(models.Model):
    """Who writes a shard of the stream, until when, and the last entry that is in the tables."""

    shard = models.IntegerField(primary_key=True)
    owner = models.TextField()
    epoch = models.BigIntegerField()
    until = models.DateTimeField()
    applied = models.TextField(default="0-0")

    class Meta:
        db_table = "ingest_shard"
