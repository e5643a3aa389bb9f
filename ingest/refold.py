"""Folding again what remains of a session when some of its events are taken away. Pure, as `ingest.sessions`.

The sessions come out as if the events had never been sent, as far as the stored rows tell: where and with what
the visitor was stands in the session alone, so it is kept from there. A session with a name of the sender's
stays one; a derived one falls into several where what held it together is gone.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from ingest.enrich.origin import origin_of
from ingest.event import Batch, Context, Event, meaning_of
from ingest.sessions import ORIGIN, Placed, SessionRow, comes_first, count, derived_id, take_origin
from ingest.sites import KnownSite

DEVICE = [
    name
    for name in Context.__struct_fields__
    if name in ORIGIN and name not in ("source", "channel") and not name.startswith("utm_")
]


def stored(site: KnownSite, row: SessionRow, event: Event) -> Placed:
    """An event of ROW as it came, with what the row knows of its sender in place of its batch's word."""
    context = Context(**{name: getattr(row, name) for name in DEVICE})
    batch = Batch(site_id=site.id, received_at=event.ts, events=[], context=context)
    return Placed(site, event, batch, datetime.fromtimestamp(event.ts, UTC), row.id)


def again(row: SessionRow, remaining: list[Placed]) -> list[SessionRow]:
    """The sessions that REMAINING events of ROW make: first the one that keeps its id, then the others by time.

    A derived id is that of the event it was made of. Where this one begins a session now, it is the one that keeps the
    id, or both would have the same; else the earliest does. `is_new_visitor` is false in all of them: it is a question
    of the visitor's other sessions.
    """
    parts = _parts(row, sorted(remaining, key=lambda item: item.order))
    ids = [derived_id(part[0]) for part in parts]
    if parts and row.id not in ids:
        ids[0] = row.id
    made = [_folded(row, part, id_) for part, id_ in zip(parts, ids, strict=True)]
    return sorted(made, key=lambda one: one.id != row.id)


def _parts(row: SessionRow, items: list[Placed]) -> list[list[Placed]]:
    parts: list[list[Placed]] = []
    for item in items:
        gap = timedelta(seconds=item.site.session_seconds)
        if not parts or (row.is_derived and item.ts - parts[-1][-1].ts > gap):
            parts.append([])
        parts[-1].append(item)
    return parts


def _folded(row: SessionRow, items: list[Placed], id_: int) -> SessionRow:
    made = SessionRow(site_id=row.site_id, id=id_, visitor_id=row.visitor_id, is_derived=row.is_derived)
    first = items[0]
    for item in items:
        if comes_first(item, made):
            first, made.first_event = item, item.event.id
        count(made, item)
    take_origin(made, row if first.event.id == row.first_event else origin_of(first))
    return made


def counted(items: list[Placed]) -> int:
    """How many of ITEMS a session counts; of a complete one as many as its `events`."""
    return sum(meaning_of(item.event.name, item.event.category).counts for item in items)


def event_of(row: tuple[object, ...]) -> Event:
    """From the columns FIELDS of a stored event, with its time as seconds."""
    return msgspec.convert(dict(zip(FIELDS, row, strict=True)), Event)


FIELDS = (
    "id", "name", "ts", "visitor_id", "session_id", "category", "hostname", "path", "query", "referrer", "value",
    "currency", "user_id", "engaged_ms", "scroll",
)  # fmt: skip
