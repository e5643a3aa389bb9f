"""A few of the events that were not counted, for their site's owner to read.

Few of each request, and of each reason few a minute: a flood of bad events must not become a flood of samples.
They hold nothing that would not be kept of an event that counts; texts are cut, since a sender chooses them.
"""

import functools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import connection

from ingest import addresses
from ingest.enrich import scrub
from ingest.event import Event, Sample
from ingest.fields import mended
from ingest.refusal import Rejection

OF_REQUEST = 3
A_MINUTE = 5  # of each site and reason, a process
EVENT_MAX, TEXT_MAX = 2_048, 300
HIDDEN = {"ip", "visitor_id", "session_id"}  # stored nowhere, or only as a hash
ADDRESSES = {"url", "referrer"}
# Senders have fields of their own for a visitor's. Behind a slash it is a page's host, or a version.
NETWORK_ADDRESS = re.compile(
    r"(?<![\w.:/])(?:(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|[0-9a-f]{0,4}:[0-9a-f:]{1,39}[0-9a-f.]*(?![\w.:]))", re.I
)
KEPT, KEPT_DAYS = 20, 30  # of each site and reason

Candidate = tuple[str, Callable[[], Sample]]  # its reason, and how it is made should it be taken


class Allowance:
    """Which samples may still be taken this minute. For many threads."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[int, str]] = Counter()
        self._minute = -1
        self._lock = threading.Lock()

    def take(self, site_id: int, reason: str) -> bool:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._taken = minute, Counter()
            self._taken[site_id, reason] += 1
            return self._taken[site_id, reason] <= A_MINUTE


@functools.cache
def allowance() -> Allowance:
    return Allowance()


def of(
    site_id: int, rejected: Iterable[tuple[Rejection, Any]], dropped: Iterable[tuple[Event, str, str]]
) -> list[Sample]:
    """REJECTED: what was said, and the event as it came. DROPPED: the event, the reason, and the user agent."""
    found: list[Sample] = []
    for reason, make in (*_rejected(rejected), *_dropped(dropped)):
        if len(found) == OF_REQUEST:
            break
        if allowance().take(site_id, reason):
            found.append(make())
    return found


def _rejected(rejected: Iterable[tuple[Rejection, Any]]) -> Iterator[Candidate]:
    for rejection, raw in rejected:
        yield rejection.reason, functools.partial(_of_rejected, rejection, raw)


def _of_rejected(rejection: Rejection, raw: Any) -> Sample:
    name = raw.get("name") if isinstance(raw, dict) else None
    return Sample(
        "rejected",
        rejection.reason,
        detail=_short(rejection.detail),
        name=_short(name) if isinstance(name, str) else "",
        event=as_sent(raw),
    )


def _dropped(dropped: Iterable[tuple[Event, str, str]]) -> Iterator[Candidate]:
    for event, reason, user_agent in dropped:
        yield reason, functools.partial(_of_dropped, event, reason, user_agent)


def _of_dropped(event: Event, reason: str, user_agent: str) -> Sample:
    page = f"{event.hostname or ''}{event.path or ''}"
    return Sample("dropped", reason, name=_short(event.name), page=_short(page), user_agent=_short(user_agent))


def as_sent(raw: Any) -> str:
    """JSON without what is kept of no event, scrubbed, cut at EVENT_MAX characters."""
    if isinstance(raw, dict):
        raw = {name: _bare(name, value) for name, value in raw.items() if name not in HIDDEN}
    # Scrubbed before it is cut: half an e-mail address is not known as one.
    return _short(NETWORK_ADDRESS.sub(_marked, _beginning(raw, 2 * EVENT_MAX)), EVENT_MAX)


def _marked(found: re.Match[str]) -> str:
    return "[address]" if addresses.packed(found[0]) else found[0]


def _bare(name: str, value: Any) -> Any:
    """An address without its query and fragment."""
    return re.split("[?#]", value, maxsplit=1)[0] if name in ADDRESSES and isinstance(value, str) else value


def _beginning(raw: Any, most: int) -> str:
    """As much of the JSON; an event of megabytes is written no further."""
    parts, size = [], 0
    try:
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(raw):
            parts.append(part)
            size += len(part)
            if size >= most:
                break
    except RecursionError:  # nested so deeply that it cannot be written: the part before says enough
        pass
    return "".join(parts)[:most]


def _short(text: str, most: int = TEXT_MAX) -> str:
    return mended(scrub.scrubbed(text[: 2 * most])[:most])


TRIM = """
DELETE FROM ingest_sample WHERE id IN (
    SELECT id FROM (
        SELECT id, received_at,
               row_number() OVER (PARTITION BY site_id, outcome, reason ORDER BY received_at DESC, id DESC) AS place
        FROM ingest_sample
    ) numbered
    WHERE place > %s OR received_at < now() - make_interval(days => %s)
)
"""


def trim() -> int:
    """Keeps the newest KEPT of each site and reason, for KEPT_DAYS; returns how many were deleted."""
    with connection.cursor() as cursor:
        cursor.execute(TRIM, [KEPT, KEPT_DAYS])
        return int(cursor.rowcount)
