"""What the writer keeps of events that were not counted, written straight into the tables."""

from datetime import datetime, timedelta

from django.utils.timezone import now

from ingest.models import BotCount, IngestCount, Sample, ShieldHit, Site


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def this_hour() -> datetime:
    return hour_of(now())


def kept(site: Site, outcome: str, reason: str, events: int, hour: datetime | None = None) -> None:
    IngestCount.objects.create(site_id=site.pk, hour=hour or this_hour(), outcome=outcome, reason=reason, events=events)


def bot(site: Site, kind: str, name: str, events: int) -> None:
    BotCount.objects.create(site_id=site.pk, hour=this_hour(), kind=kind, name=name, events=events)


def hit(site: Site, shield_id: int, events: int, hour: datetime | None = None) -> None:
    ShieldHit.objects.create(site_id=site.pk, shield_id=shield_id, hour=hour or this_hour(), events=events)


def sample(site: Site, reason: str, outcome: str = "dropped", minutes: int = 1, **said: str) -> None:
    texts = dict.fromkeys(("detail", "name", "page", "user_agent", "event"), "") | said
    Sample.objects.create(
        site_id=site.pk, received_at=now() - timedelta(minutes=minutes), outcome=outcome, reason=reason, **texts
    )
