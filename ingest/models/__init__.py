from ingest.models.counts import BotCount, IngestCount, Quarantine, Sample, ShieldHit
from ingest.models.events import DirtyHour, Event, Salt, Session, Shard, Visitor, VisitorNumber
from ingest.models.shields import Shield
from ingest.models.sites import ApiKey, Site

__all__ = [
    "ApiKey",
    "BotCount",
    "DirtyHour",
    "Event",
    "IngestCount",
    "Quarantine",
    "Salt",
    "Sample",
    "Session",
    "Shard",
    "Shield",
    "ShieldHit",
    "Site",
    "Visitor",
    "VisitorNumber",
]
