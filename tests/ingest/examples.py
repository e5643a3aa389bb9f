"""Events, batches and requests as the tests of the write side make them."""

import json
import time
import uuid
from typing import Any

from ingest import queue
from ingest.event import Batch, Context, Event
from ingest.models import Site
from ingest.steps import Arrival

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
ADDRESS = "203.0.113.77"  # of a block that is kept for documents: found anywhere, it came from a test


def event(name: str = "pageview", **fields: Any) -> Event:
    return Event(**{"id": uuid.uuid4(), "name": name, "ts": time.time(), "visitor_id": 7, **fields})


def batch(site: Site, *events: Event, **fields: Any) -> Batch:
    values = {"received_at": time.time(), "context": Context(user_agent=CHROME), **fields}
    return Batch(site_id=site.pk, events=list(events), **values)


def document(site: Site, *events: Any, **fields: Any) -> dict[str, Any]:
    return {"site": site.key, "events": list(events), **fields}


def arrival(content: Any, **fields: Any) -> Arrival:
    """A request with CONTENT as its body: bytes as they are, anything else as JSON."""
    values = {
        "body": content if isinstance(content, bytes) else json.dumps(content).encode(),
        "content_type": "application/json",
        "content_encoding": "",
        "address": ADDRESS,
        "user_agent": CHROME,
        "received_at": time.time(),
        **fields,
    }
    return Arrival(**values)


def waiting(shard: int = 0) -> list[Batch]:
    """The batches in the stream, read or not, acknowledged ones excepted."""
    entries: Any = queue.client().xrange(queue.key_of(shard))
    return [batch for entry_id, fields in entries for batch in queue._entry(entry_id, fields).batches or ()]
