from ingest.models.counts import IngestCount
from ingest.models.events import DirtyHour, Event, Salt, Session, Shard, Visitor, VisitorNumber
from ingest.models.sites import ApiKey, Site

__all__ = [
    "ApiKey",
    "DirtyHour",
    "Event",
    "IngestCount",
    "Salt",
    "Session",
    "Shard",
    "Site",
    "Visitor",
    "VisitorNumber",
]
