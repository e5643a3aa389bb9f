"""The same events in several orders, and all that they leave, told without the ids that depend on the order."""

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

from ingest.event import Event
from tests.agreement import stored
from tests.agreement.events import GAPS, OFFSETS, ORIGINS, WHAT
from tests.agreement.places import Place
from tests.agreement.recount import Row, Tables

Sending = list[list[Event]]  # batches
BATCH = 7
MIXED_MINUTES = 60
NAMED, MIXED = 1_000, 10_000  # where the ids of such visitors begin


def history(chance: Random, place: Place, events: int) -> list[Event]:
    """So many EVENTS in the order of their times.

    Of the visitors some never name a session, some always do, with several at once, and some do so now and then, once
    each: what follows from more than that depends on the order, as `ingest.sessions` says.
    """
    found: list[Event] = []
    while len(found) < events:
        walk = chance.choice((_nameless, _named, _mixed))
        found += walk(chance, place, visitor=1 + len(found) // 12)
    del found[events:]
    for event, number in zip(found, chance.sample(range(1, 1 << 40), len(found)), strict=True):
        event.id = UUID(int=number << 64)
    return sorted(found, key=lambda event: (event.ts, event.id))


def _start(chance: Random, place: Place) -> float:
    edge = chance.choice([*place.midnights, *place.changes, *(hour.start for hour in place.hours)])
    return edge.timestamp() + chance.choice(OFFSETS)


def _event(chance: Random, at: float, visitor: int, session: int | None) -> Event:
    told = {**chance.choice(ORIGINS), **chance.choice(WHAT)}
    return Event(UUID(int=0), ts=at, visitor_id=visitor, session_id=session, **told)


def _nameless(chance: Random, place: Place, visitor: int) -> Iterator[Event]:
    at = _start(chance, place)
    for _ in range(chance.randint(1, 8)):
        yield _event(chance, at, visitor, None)
        at += chance.choice(GAPS)


def _named(chance: Random, place: Place, visitor: int) -> Iterator[Event]:
    at = _start(chance, place)
    for _ in range(chance.randint(1, 8)):
        yield _event(chance, at, NAMED + visitor, 10 * visitor + chance.randint(1, 3))
        at += chance.choice(GAPS)


def _mixed(chance: Random, place: Place, visitor: int) -> Iterator[Event]:
    start, alone = _start(chance, place), MIXED + chance.randrange(1 << 40)
    for _ in range(chance.randint(1, 8)):
        at = start + chance.randint(0, MIXED_MINUTES) * 60
        yield _event(chance, at, alone, chance.choice((None, alone)))


def orders(chance: Random, events: list[Event]) -> dict[str, Sending]:
    """EVENTS, in the order of their times, as they may come."""
    shuffled, half = chance.sample(events, len(events)), len(events) // 2
    return {
        "in order": [events],
        "shuffled": [shuffled[start : start + BATCH] for start in range(0, len(events), BATCH)],
        "second half first": [half_ for half_ in (events[half:], events[:half]) if half_],
        "one by one": [[event] for event in chance.sample(events, len(events))],
    }


# --- What is left -----------------------------------------------------------------------------------------

# Numbers are given in the order of arrival, ids of sessions come from the event that came first.
OF_ARRIVAL = ("site_id", "number", "properties_at", "processed_at", "received_at")
RAW = ("ingest_event", "ingest_session", "ingest_visitor")


def left(site_id: int) -> Tables:
    """Rows of sessions, events and aggregates, each visitor and session told by what it is."""
    raw = {table: stored.read(table, site_id) for table in RAW}
    sessions = {row["id"]: _session(row) for row in raw["ingest_session"]}
    visitors = {row["number"]: row["id"] for row in raw["ingest_visitor"]}
    told = {
        "ingest_event": [{**row, "session_id": sessions[row["session_id"]]} for row in raw["ingest_event"]],
        "ingest_session": [{**row, "id": sessions[row["id"]]} for row in raw["ingest_session"]],
        "ingest_visitor": raw["ingest_visitor"],
        **{table: [_by_id(row, visitors) for row in rows] for table, rows in stored.aggregates(site_id).items()},
    }
    return {table: sorted(map(_told, rows), key=repr) for table, rows in told.items()}


def _session(row: Row) -> Any:
    """A name of the sender's, or for one found by inactivity whose it is and since when."""
    return (row["visitor_id"], row["seen_from"]) if row["is_derived"] else row["id"]


def _by_id(row: Row, visitors: dict[int, int]) -> Row:
    if row.get("members") is None:
        return row
    return {**row, "members": sorted(visitors[number] for number in row["members"])}


def _told(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in OF_ARRIVAL}


def checksum(tables: Tables) -> str:
    return hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:16]
