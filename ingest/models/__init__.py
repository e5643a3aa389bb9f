from ingest.models.counts import IngestCount, Quarantine
from ingest.models.events import DirtyHour, Event, Salt, Session, Shard, Visitor, VisitorNumber
from ingest.models.sites import ApiKey, Site

__all__ = [
    "ApiKey",
    "DirtyHour",
    "Event",
    "IngestCount",
    "Quarantine",
    "Salt",
    "Session",
    "Shard",
    "Site",
    "Visitor",
    "VisitorNumber",
]
