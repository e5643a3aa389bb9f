"""Footfall's own events, one JSON object a line, of any age. docs/import.md tells the fields."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest import fields
from ingest.enrich import geo, visitor
from ingest.event import Context, Event
from ingest.formats import Clock, Sent, native
from ingest.importers.line import Into, Left, Outcome, id_of
from ingest.refusal import Rejected

TEXTS = (
    "region", "city", "browser", "browser_version", "os", "os_version", "device", "source", "channel",
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
)  # fmt: skip
LONGEST = 256
decode = msgspec.json.Decoder().decode


def parse(line: str, into: Into) -> Event:
    """The event, with what it states of its session. Raises Left."""
    try:
        raw = decode(line)
        sent = native.parse_event(raw, Clock(into.now, oldest=None))
        return _event(raw, sent, line, into)
    except Rejected as error:
        raise Left(Outcome.MALFORMED, f"{error.reason}: {error.detail}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Left(Outcome.MALFORMED, f"not JSON: {error}") from error


def _event(raw: dict[str, Any], sent: Sent, line: str, into: Into) -> Event:
    if not sent.event.is_timed:
        # An import that takes the time of its own run would store the event anew in every run.
        raise Rejected("missing_field", "timestamp is missing: an import cannot tell when the event happened.")
    event = sent.event
    if raw.get("id") is None:
        event.id = id_of(line, into)
    event.hostname = event.hostname or into.host
    event.visitor_id = _visitor(sent, into)
    if sent.session is not None:
        event.session_id = visitor.named(into.site, "session", sent.session)
    event.context = _context(raw, sent)
    return event


def _visitor(sent: Sent, into: Into) -> int:
    """By the surest that the line states. A line that states nothing is a visitor of its own."""
    event, site = sent.event, into.site
    if sent.visitor is not None:
        return visitor.named(site, "visitor", sent.visitor)
    if event.user_id is not None:
        return visitor.named(site, "user", event.user_id)
    if sent.session is not None:
        return visitor.named(site, "session", sent.session)
    if sent.address is not None:
        day = datetime.fromtimestamp(event.ts, UTC).date()
        return visitor.of_import(site, sent.address, sent.user_agent or "", day)
    return visitor.named(site, "event", str(event.id))


def _context(raw: dict[str, Any], sent: Sent) -> Context:
    """What the line states; the place of its address only where it states none. The address ends here."""
    stated = {
        **{name: fields.text(raw, name, LONGEST) for name in TEXTS},
        "country": _country(raw),
        "lat": _degrees(raw, "lat", 90),
        "lon": _degrees(raw, "lon", 180),
        "user_agent": sent.user_agent and sent.user_agent[:512],
    }
    if sent.address is not None and stated["country"] is None:
        stated |= geo.locate(sent.address)._asdict()
    return msgspec.structs.replace(sent.event.context or Context(), **stated)


def _country(raw: dict[str, Any]) -> str | None:
    code = fields.text(raw, "country")
    if code is None:
        return None
    if len(code) != 2 or not code.isascii() or not code.isalpha():
        raise Rejected("bad_type", f"country {code[:20]!r}: must be an ISO 3166-1 code of two letters, such as DE.")
    return code.upper()


def _degrees(raw: dict[str, Any], field: str, most: int) -> float | None:
    value = fields.number(raw, field)
    if value is not None and abs(value) > most:
        raise Rejected("bad_number", f"{field} {value:g}: must be from -{most} to {most} degrees.")
    return value
