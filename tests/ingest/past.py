"""Events of two days ago, and rules that are applied to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.event import Event
from ingest.models import Shield, Site
from tests.ingest.examples import event

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
SINCE = NOON - timedelta(days=5)


def at(minute: float, path: str = "/", name: str = "pageview", **fields: Any) -> Event:
    values = {"hostname": "shop.example.com", "path": path, **fields}
    return event(name, ts=NOON.timestamp() + minute * 60, **values)


def rule(site: Site, kind: str, value: str) -> Shield:
    return Shield.objects.create(site=site, kind=kind, value=value)
