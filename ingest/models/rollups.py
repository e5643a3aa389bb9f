"""Aggregates: each row a function of the raw rows of its bucket, replaced whole when these change.

Written by `ingest.rollups` alone. A bucket is [start, end): an hour is known by its start, a day by its date in the
site's time zone. `place` orders the rows of one bucket, the largest first; it is the key, as a value may be too long
for an index. An empty value is "not set".
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import MD5


class Figures(models.Model):
    """What is kept of a bucket, or of one value in it.

    The first group is of the events that happened in the bucket, the second of the sessions that began in it, as
    whole sessions. Sums over buckets are the figures of the range, but for `visitors`: those are the union of the
    buckets' `members`.
    """

    engaged_ms = models.BigIntegerField()
    duration_us = models.BigIntegerField()  # microseconds: of the sessions, a bounce has none
    visitors = models.IntegerField()  # different ones with an event that counts
    page_views = models.IntegerField()
    events = models.IntegerField()  # that count, page views included
    impressions = models.IntegerField()
    interactions = models.IntegerField()
    errors = models.IntegerField()
    sessions = models.IntegerField()
    bounces = models.IntegerField()
    engaged_sessions = models.IntegerField()  # with ten seconds in the foreground or more
    session_views = models.IntegerField()  # page views of the sessions
    new_visitors = models.IntegerField()  # whose first session is one of these
    revenue = models.DecimalField(max_digits=40, decimal_places=4)  # of the events, whatever their currencies
    members = models.BinaryField(null=True)  # the visitors' numbers, a Roaring bitmap in its portable format

    class Meta:
        abstract = True


class HourlyTotal(Figures):
    """All of a site in one hour. A closed hour without a row had no events."""

    pk = models.CompositePrimaryKey("site_id", "hour")
    site_id = models.BigIntegerField()
    hour = models.DateTimeField()
    ends_at = models.DateTimeField()  # an hour later, or sooner where clocks are set

    class Meta:
        db_table = "ingest_hourly_total"


class HourlyBreakdown(Figures):
    """One value of a dimension in one hour; kept of today and yesterday."""

    pk = models.CompositePrimaryKey("site_id", "hour", "dimension", "place")
    site_id = models.BigIntegerField()
    hour = models.DateTimeField()
    place = models.IntegerField()
    dimension = models.TextField()
    value = models.TextField()

    class Meta:
        db_table = "ingest_hourly_breakdown"


class DailyTotal(Figures):
    """All of a site in one day of its time zone, and what is known of the day."""

    pk = models.CompositePrimaryKey("site_id", "day")
    site_id = models.BigIntegerField()
    day = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    built_at = models.DateTimeField()
    took_ms = models.IntegerField()  # to build it: what is dear is built again less often
    is_final = models.BooleanField(default=False, db_default=False)  # raw rows are gone: never built again
    is_sealed = models.BooleanField(default=False, db_default=False)  # sessions too: no `members`, but a `sketch`
    capped = ArrayField(models.TextField(), default=list, db_default=[])  # dimensions with more values than are kept
    sketch = models.BinaryField(null=True)  # HyperLogLog of the visitors, when `members` is gone

    class Meta:
        db_table = "ingest_daily_total"


class DailyBreakdown(Figures):
    """One value of a dimension in one day."""

    pk = models.CompositePrimaryKey("site_id", "day", "dimension", "place")
    site_id = models.BigIntegerField()
    day = models.DateField()
    place = models.IntegerField()
    dimension = models.TextField()
    value = models.TextField()
    sketch = models.BinaryField(null=True)

    class Meta:
        db_table = "ingest_daily_breakdown"


class NamedEvents(models.Model):
    """Events of one name and label in a bucket, measurements and signs of life included."""

    site_id = models.BigIntegerField()
    place = models.IntegerField()
    events = models.IntegerField()
    visitors = models.IntegerField()
    sessions = models.IntegerField()  # different ones with such an event in the bucket
    name = models.TextField()
    label = models.TextField(null=True)  # a missing one is one row

    class Meta:
        abstract = True


class HourlyEvents(NamedEvents):
    pk = models.CompositePrimaryKey("site_id", "hour", "place")
    hour = models.DateTimeField()

    class Meta:
        db_table = "ingest_hourly_events"
        constraints = [
            models.UniqueConstraint(
                "site_id", "hour", "name", MD5("label"), name="hourly_events_once", nulls_distinct=False
            )
        ]


class DailyEvents(NamedEvents):
    pk = models.CompositePrimaryKey("site_id", "day", "place")
    day = models.DateField()

    class Meta:
        db_table = "ingest_daily_events"
        constraints = [
            models.UniqueConstraint(
                "site_id", "day", "name", MD5("label"), name="daily_events_once", nulls_distinct=False
            )
        ]


class SpanCount(models.Model):
    """Exact visitors of a week, month or year, counted before the sets of its days went. Dimension '' is the total."""

    pk = models.CompositePrimaryKey("site_id", "span", "first_day", "dimension", "place")
    site_id = models.BigIntegerField()
    span = models.TextField()  # week, month or year
    first_day = models.DateField()
    dimension = models.TextField()
    place = models.IntegerField()
    value = models.TextField()
    visitors = models.IntegerField()

    class Meta:
        db_table = "ingest_span_count"


class RollupState(models.Model):
    """How far a site's aggregates go, and in which zone's days they are."""

    site_id = models.BigIntegerField(primary_key=True)
    zone = models.TextField()
    hours_until = models.DateTimeField()  # every hour that ended by then was built, but for those marked dirty
    days_until = models.DateField()  # every day before it was built, but for those with a dirty hour

    class Meta:
        db_table = "ingest_rollup_state"
