"""The two ways to say no: to a whole request, and to one event of it.

The words are part of the contract (docs/api.md): senders act on them, the counts are kept by them.
"""

import msgspec


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
