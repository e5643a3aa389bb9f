"""The wire formats, one file each, all of the same shape: `parse(document, clock)` gives an `Envelope`.

A format ends at the door: what is behind it knows only `ingest.event.Event`.
"""

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ingest.event import Event
from ingest.refusal import Rejection


class Clock(NamedTuple):
    """When a batch arrived and when its sender says it was sent; seconds since 1970.

    An event may be `oldest` seconds old (None: of any age, for imports).
    """

    received_at: float
    sent_at: float | None = None
    oldest: float | None = 7 * 86_400


class Sent(msgspec.Struct, frozen=True):
    """One well-formed event with the sender's own names for visitor and session, before the steps at the door."""

    index: int
    event: Event
    visitor: str | None = None
    session: str | None = None
    address: str | None = None  # stated by a server for its visitor; honoured with a key only
    user_agent: str | None = None


class Envelope(NamedTuple):
    """What one request brought. `malformed` are the rejected events as they came, in the order of `rejected`."""

    site: str
    batch_id: UUID | None
    events: list[Sent]
    rejected: list[Rejection]
    malformed: list[Any]
