"""Periodic work of the write side. Every task may run twice, or two at once, and changes nothing then."""

import logging
from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.db import connection

from ingest import partitions, samples, shields_past, writer
from ingest.enrich import visitor
from ingest.models import Shield

log = logging.getLogger(__name__)
TURN_SECONDS = 30


@shared_task
def make_partitions() -> None:
    made = partitions.ensure(writer.connected(), partitions.ahead(datetime.now(UTC), settings.INGEST_PARTITIONS_AHEAD))
    log.info("Made %d partitions.", len(made))


@shared_task
def rotate_salts() -> None:
    today = datetime.now(UTC).date()
    visitor.ensure_salts([today, today + timedelta(days=1)])
    log.info("Deleted %d salts.", visitor.forget_salts(today))


# A mark says "count this hour again"; the youngest of several says it for all. Younger ones that are not
# committed yet are not seen here, and stay.
COMPACT = """
DELETE FROM ingest_dirty_hour mark
USING (SELECT site_id, hour, max(id) AS last FROM ingest_dirty_hour GROUP BY 1, 2) young
WHERE mark.site_id = young.site_id AND mark.hour = young.hour AND mark.id < young.last
"""


@shared_task
def compact_dirty_hours() -> None:
    with connection.cursor() as cursor:
        cursor.execute(COMPACT)
        log.info("Removed %d repeated marks.", cursor.rowcount)


@shared_task
def trim_samples() -> None:
    log.info("Deleted %d samples.", samples.trim())


@shared_task
def apply_shield(shield_id: int, days: int = shields_past.DAYS) -> None:
    """When an owner asks for it: takes what the rule covers out of the last DAYS.

    A task that takes over an hour is delivered again while it runs, and must not occupy two workers. Nor may one site
    with several rules: its next one waits, and the worker does what is due for others.
    """
    shield = Shield.objects.select_related("site").filter(pk=shield_id).first()
    if shield is None:
        log.info("Shield %d was deleted before it was applied.", shield_id)
        return
    if shields_past.is_site_busy(shield):
        apply_shield.apply_async((shield_id, days), countdown=TURN_SECONDS)
        return
    if not shields_past.claim(shield):
        log.info("Shield %d is being applied already.", shield_id)
        return
    shields_past.apply(shield.site, shield, shields_past.since_days(days))
