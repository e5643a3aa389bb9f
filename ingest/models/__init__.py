from ingest.models.counts import BotCount, IngestCount, Quarantine, Sample, ShieldHit
from ingest.models.events import DirtyHour, Event, Salt, Session, Shard, Visitor, VisitorNumber
from ingest.models.jobs import JobRun, PersonRequest
from ingest.models.rollups import (
    DailyBreakdown,
    DailyEvents,
    DailyTotal,
    HourlyBreakdown,
    HourlyEvents,
    HourlyTotal,
    RollupState,
    SpanCount,
)
from ingest.models.shields import Shield
from ingest.models.sites import ApiKey, Site

__all__ = [
    "ApiKey",
    "BotCount",
    "DailyBreakdown",
    "DailyEvents",
    "DailyTotal",
    "DirtyHour",
    "Event",
    "HourlyBreakdown",
    "HourlyEvents",
    "HourlyTotal",
    "IngestCount",
    "JobRun",
    "PersonRequest",
    "Quarantine",
    "RollupState",
    "Salt",
    "Sample",
    "Session",
    "Shard",
    "Shield",
    "ShieldHit",
    "Site",
    "SpanCount",
    "Visitor",
    "VisitorNumber",
]
