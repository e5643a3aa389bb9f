"""The two ways to say no: to a whole request, and to one event of it.

The words are part of the contract (docs/api.md): senders act on them, the counts are kept by them.
"""

import msgspec

# Why one event was rejected, for its site's owner; docs/api.md has the same sentences.
REJECTION_SENTENCES = {
    "event_not_object": "The event is not an object.",
    "bad_json": "The event is nested over 100 deep.",
    "missing_field": "A field that must be there is missing, such as the name.",
    "bad_type": "A field has another type than the contract asks for.",
    "bad_id": "The id is no UUID, or the one of zeros.",
    "bad_identifier": "An id, a name or a key is too long or holds control characters.",
    "bad_number": "A number is infinite or out of range.",
    "bad_timestamp": "A time is not written as RFC 3339.",
    "too_old": "The event is over 7 days old, or older than its site keeps events.",
    "timestamp_future": "The event's time is over a day ahead.",
    "name_empty": "The name is empty.",
    "name_too_long": "The name has over 120 characters.",
    "url_invalid": "The page's address has no host, or a port that does not exist.",
    "url_scheme": "The page's address is neither http nor https.",
    "url_too_long": "The page's address has over 4,096 characters.",
    "properties_too_many": "There are over 100 properties.",
    "properties_too_large": "The properties take over 32 KiB.",
    "properties_too_deep": "The properties are nested over 5 deep.",
    "property_key_too_long": "A property's key has over 200 characters.",
    "property_value_too_long": "A property's text has over 8,192 characters.",
}


class Refused(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The whole request is refused; nothing of it is kept. STATUS is the answer's."""

    def __init__(self, status: int, reason: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status, self.reason, self.detail, self.headers = status, reason, detail, headers or {}


class Rejected(Exception):  # noqa: N818
    """One event is malformed; the others of its batch are kept."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Rejection(msgspec.Struct, frozen=True):
    """What the sender is told of one malformed event; `id` only where it could be read."""

    index: int
    id: str | None
    reason: str
    detail: str
