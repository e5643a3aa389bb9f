"""Rows for the read side, written straight into the tables; a session's columns follow from its events."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from ingest import partitions
from ingest.event import NAMES, meaning_of
from ingest.models import Session

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Hit:
    """One event."""

    ts: datetime
    name: str = "pageview"
    path: str | None = "/"
    hostname: str | None = "shop.example.com"

    @property
    def counts(self) -> bool:
        return self.name not in NAMES or NAMES[self.name].counts

    @property
    def ends_bounce(self) -> bool:
        return meaning_of(self.name, None).ends_bounce


@dataclass(frozen=True)
class Sitting:
    """One session: its events, and what it says about itself (`source`, `country`, …)."""

    hits: tuple[Hit, ...]
    visitor: int = 1
    site_id: int = 1
    is_new: bool = False
    said: dict[str, Any] = field(default_factory=dict, hash=False)
    id: int = field(default_factory=lambda: next(_numbers))

    @property
    def counted(self) -> list[Hit]:
        return sorted((hit for hit in self.hits if hit.counts), key=lambda hit: hit.ts)

    @property
    def views(self) -> list[Hit]:
        return [hit for hit in self.counted if hit.name == "pageview"]

    @property
    def is_bounce(self) -> bool:
        return len(self.views) == 1 and not any(hit.ends_bounce for hit in self.counted)

    @property
    def started_at(self) -> datetime:
        return min(hit.ts for hit in self.counted or self.hits)

    @property
    def last_activity(self) -> datetime:
        return max(hit.ts for hit in self.counted or self.hits)

    @property
    def columns(self) -> dict[str, Any]:
        pages = [hit.path for hit in self.views if hit.path]
        return {
            "source": "Direct",
            "channel": "Direct",
            "hostname": self.hits[0].hostname,
            "entry_page": pages[0] if pages else None,
            "exit_page": pages[-1] if pages else None,
            **self.said,
        }


def at(text: str) -> datetime:
    """`2026-11-20 08:41` as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def sitting(*moments: str, path: str | None = "/", **more: Any) -> Sitting:
    """A session of page views at these moments."""
    fields = {name: more.pop(name) for name in ("visitor", "site_id", "is_new") if name in more}
    return Sitting(tuple(Hit(at(moment), path=path) for moment in moments), said=more, **fields)


def store(*sittings: Sitting) -> None:
    connection.ensure_connection()
    conn: psycopg.Connection = connection.connection
    _days(conn, {hit.ts.astimezone(UTC).date() for one in sittings for hit in one.hits})
    Session.objects.bulk_create([_session(one) for one in sittings])
    with conn.cursor() as cursor, cursor.copy(COPY) as copy:
        for row in _events(sittings):
            copy.write_row(row)


COPY = (
    "COPY ingest_event (site_id, id, ts, session_id, visitor_id, name, path, hostname, received_at, processed_at)"
    " FROM STDIN"
)


def _days(conn: psycopg.Connection, days: set[date]) -> None:
    if missing := days - partitions.existing(conn):
        partitions.ensure(conn, missing)


def _session(one: Sitting) -> Session:
    return Session(
        site_id=one.site_id,
        id=one.id,
        visitor_id=one.visitor,
        is_derived=True,
        is_new_visitor=one.is_new,
        seen_from=min(hit.ts for hit in one.hits),
        seen_until=max(hit.ts for hit in one.hits),
        started_at=one.started_at,
        last_activity=one.last_activity,
        first_event=UUID(int=0),
        page_views=len(one.views),
        events=len(one.counted),
        interactive=sum(hit.ends_bounce for hit in one.counted),
        is_bounce=one.is_bounce,
        **dict.fromkeys(("impressions", "interactions", "errors", "engaged_ms", "scroll", "revenue"), 0),
        **one.columns,
    )


def _events(sittings: Iterable[Sitting]) -> Iterable[Sequence[Any]]:
    for one in sittings:
        for hit in one.hits:
            id_ = UUID(int=next(_numbers))
            yield (one.site_id, id_, hit.ts, one.id, one.visitor, hit.name, hit.path, hit.hostname, hit.ts, hit.ts)
