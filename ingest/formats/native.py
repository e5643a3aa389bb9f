"""Footfall's own JSON: docs/api.md#events. Also read line by line by `manage.py import_events`."""

import functools
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings

from ingest import fields
from ingest.event import ENGAGEMENT, Context, Event
from ingest.fields import SHORT_MAX
from ingest.formats import Clock, Envelope, Sent
from ingest.refusal import Refused, Rejected, Rejection

NAMESPACE = uuid.UUID("6b8f3c1e-5d0a-4f0e-9c7e-2f0d1b7a9e44")  # of ids made from batch ids
SKEW_SECONDS = 60  # clocks this far apart are taken to agree
AHEAD_SECONDS = 86_400  # further ahead is an error of the sender, less is taken as now
ENGAGED_MAX_MS = 86_400_000
CONTEXT = ("screen", "viewport", "language", "timezone", "color_scheme", "connection")


def parse(document: Any, received_at: float) -> Envelope:
    """Raises Refused when the envelope itself is wrong; wrong events are listed in the result."""
    if not isinstance(document, dict):
        raise Refused(400, "bad_envelope", "The body must be an object with site and events.")
    items = _items(document)
    batch_id = _batch_id(document)
    clock = Clock(received_at, _sent_at(document))
    events, rejected, malformed = [], [], []
    for index, item in enumerate(items):
        try:
            events.append(parse_event(item, clock, index, batch_id))
        except Rejected as error:
            rejected.append(Rejection(index, _readable_id(item), error.reason, error.detail))
            malformed.append(item)
    return Envelope(_site(document), batch_id, events, rejected, malformed)


def _site(document: dict[str, Any]) -> str:
    if "site" not in document:
        raise Refused(400, "bad_envelope", "site is missing: the key from the site's set-up page.")
    key = document["site"]
    return key if isinstance(key, str) else ""


def _items(document: dict[str, Any]) -> list[Any]:
    items = document.get("events")
    if items is None and "name" in document:  # a single event in place of the list
        return [document]
    if not isinstance(items, list):
        raise Refused(400, "bad_envelope", "events must be a list of 1 to 500 events.")
    if not items:
        raise Refused(400, "bad_envelope", "events is empty: send 1 to 500 events.")
    if len(items) > settings.INGEST_MAX_EVENTS:
        raise Refused(413, "too_many_events", f"{len(items):,} events: at most {settings.INGEST_MAX_EVENTS} at a time.")
    return items


def _batch_id(document: dict[str, Any]) -> uuid.UUID | None:
    value = document.get("batch_id")
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= fields.ID_MAX:
        raise Refused(400, "bad_envelope", "batch_id must be text of 1 to 200 characters, such as a UUID.")
    if fields.UUID_FORM.fullmatch(value):
        return uuid.UUID(value)
    return _uuid_of(value)


def _sent_at(document: dict[str, Any]) -> float | None:
    """None when unusable: the batch is not lost for it."""
    try:
        return fields.moment(document, "sent_at")
    except Rejected:
        return None


def _readable_id(item: Any) -> str | None:
    value = item.get("id") if isinstance(item, dict) else None
    return fields.mended(value[:60]) if isinstance(value, str) else None


Read = Callable[[dict[str, Any], str], Any]
# What an event may have, by field: where it goes, and how it is read. Only what is there costs anything.
OPTIONAL: tuple[tuple[str, str, Read], ...] = (
    ("label", "label", fields.text),
    ("category", "category", fields.text),
    ("title", "title", fields.text),
    ("referrer", "referrer", functools.partial(fields.text, limit=fields.URL_MAX)),
    ("value", "value", fields.number),
    ("currency", "currency", functools.partial(fields.text, limit=8)),
    ("user_id", "user_id", fields.identifier),
    ("correlation_id", "correlation_id", fields.identifier),
    ("user_properties", "user_properties", fields.properties),
)
OF_SENDER: tuple[tuple[str, str, Read], ...] = (
    ("visitor_id", "visitor", fields.identifier),
    ("session_id", "session", fields.identifier),
    ("ip", "address", functools.partial(fields.text, limit=SHORT_MAX)),
    ("user_agent", "user_agent", functools.partial(fields.text, limit=1024)),
)


def parse_event(raw: Any, clock: Clock, index: int = 0, batch_id: uuid.UUID | None = None) -> Sent:
    """One event of the contract. Raises Rejected. `Event.visitor_id` is still 0; see `Sent`."""
    if not isinstance(raw, dict):
        raise Rejected("event_not_object", f"the event is {fields.kind_of(raw)}: must be an object.")
    name, page, properties = fields.event_name(raw), fields.url(raw), fields.properties(raw)
    said, happened = _times(raw, clock, index)
    event = Event(
        id=fields.event_id(raw) or _derived_id(batch_id, index),
        name=name,
        ts=happened,
        visitor_id=0,
        is_timed=said is not None,
        sent_ts=said if said != happened else None,
        properties=properties,
        context=_context(raw),
        **_present(raw, OPTIONAL),
    )
    if page is not None:
        event.hostname, event.path, event.query = page
    if name == ENGAGEMENT:
        _put_engagement(event, raw, properties or {})
    return Sent(index, event, **_present(raw, OF_SENDER))


def _present(raw: dict[str, Any], readers: tuple[tuple[str, str, Read], ...]) -> dict[str, Any]:
    return {into: read(raw, field) for field, into, read in readers if field in raw}


def _derived_id(batch_id: uuid.UUID | None, index: int) -> uuid.UUID:
    """The same batch sent again gives the same ids; without a batch_id there is nothing to tell a repeat by."""
    return _uuid_of(f"{batch_id}:{index}") if batch_id else uuid.uuid4()


def _uuid_of(value: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, fields.mended(value))


def _times(raw: dict[str, Any], clock: Clock, index: int) -> tuple[float | None, float]:
    """The time as sent, and the time kept: by the server's clock, never ahead of it."""
    said = fields.moment(raw)
    if said is None:
        return None, clock.received_at + index / 1e6  # a batch without times keeps its order
    happened = said + _skew(said, clock)
    if clock.oldest is not None and happened < clock.received_at - clock.oldest:
        raise Rejected("too_old", f"timestamp is over {clock.oldest / 86_400:.0f} days old.")
    if happened < 0:
        raise Rejected("too_old", "timestamp is before 1970.")
    if happened > clock.received_at + AHEAD_SECONDS:
        raise Rejected("timestamp_future", "timestamp is over a day ahead of the server's clock.")
    return said, min(happened, clock.received_at)


def _skew(said: float, clock: Clock) -> float:
    """How far the sender's clock is behind ours.

    None when within a minute, or when `sent_at` cannot be right: nothing is sent before it has happened.
    """
    if clock.sent_at is None or said > clock.sent_at + SKEW_SECONDS:
        return 0.0
    skew = clock.received_at - clock.sent_at
    return skew if abs(skew) > SKEW_SECONDS else 0.0


def _context(raw: dict[str, Any]) -> Context | None:
    said = [value[:SHORT_MAX] if isinstance(value := raw.get(name), str) else None for name in CONTEXT]
    return _context_of(*said)


@functools.lru_cache(maxsize=8192)  # the same in every event of a batch
def _context_of(*values: str | None) -> Context | None:
    found: dict[str, Any] = {
        name: fields.mended(value) for name, value in zip(CONTEXT, values, strict=True) if value is not None
    }
    return Context(**found) if found else None


def _put_engagement(event: Event, raw: dict[str, Any], properties: dict[str, Any]) -> None:
    """The two measures stand beside the other fields, or, from older senders, among the properties."""
    event.engaged_ms = fields.amount({**properties, **raw}, "engaged_ms", ENGAGED_MAX_MS)
    event.scroll = fields.amount({**properties, **raw}, "scroll", 100)
