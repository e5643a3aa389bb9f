"""What is stored of a person beside the figures: events set aside, and samples of those that were not counted."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from ingest import quarantine
from ingest.event import Batch, Event
from ingest.models import Quarantine, Sample
from ingest.people.find import Person

TEXTS = ("detail", "name", "page", "user_agent", "event")


class Entry(NamedTuple):
    """A row of the quarantine with events of the person. `rest`: what else it holds, as it is stored."""

    id: int
    events: list[Event]
    rest: bytes | None


def entries(person: Person) -> Iterator[Entry]:
    """Also those of no site, which could not be read when they came. One that cannot be read now is nobody's."""
    rows = Quarantine.objects.filter(site_id__in=(person.site_id, quarantine.NO_SITE)).order_by("pk")
    for id_, entry in rows.values_list("pk", "entry").iterator(500):
        found = _read(bytes(entry))
        events = [event for batch in found for event in batch.events if _is_theirs(person, batch, event)]
        if events:
            yield Entry(id_, events, _without(person, found))


def _read(entry: bytes) -> list[Batch]:
    try:
        found = msgspec.msgpack.decode(entry, type=Batch | list[Batch])
    except (msgspec.MsgspecError, ValueError):  # ValueError: text that is no UTF-8
        return []
    return [found] if isinstance(found, Batch) else found


def _is_theirs(person: Person, batch: Batch, event: Event) -> bool:
    if batch.site_id != person.site_id:
        return False
    return event.visitor_id in person.whole or (person.user_id is not None and event.user_id == person.user_id)


def _without(person: Person, found: list[Batch]) -> bytes | None:
    left = []
    for batch in found:
        events = [event for event in batch.events if not _is_theirs(person, batch, event)]
        if events or batch.outcomes:
            left.append(msgspec.structs.replace(batch, events=events))
    return msgspec.msgpack.encode(left) if any(batch.events for batch in left) else None


def samples(person: Person) -> list[Sample]:
    """Those that mention the user id. Visitors' own ids stand in none."""
    if person.user_id is None:
        return []
    names = {person.user_id, *(json.dumps(person.user_id, ensure_ascii=plain)[1:-1] for plain in (True, False))}
    mention = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names)))
    stored = Sample.objects.filter(site_id=person.site_id).order_by("pk")
    return [one for one in stored if any(mention.search(getattr(one, text)) for text in TEXTS)]


def erase(person: Person) -> int:
    """Returns how many entries and samples are gone or no longer hold events of the person."""
    done = 0
    for entry in list(entries(person)):
        row = Quarantine.objects.filter(pk=entry.id)
        done += row.delete()[0] if entry.rest is None else row.update(entry=entry.rest)
    gone = [one.pk for one in samples(person)]
    return done + Sample.objects.filter(pk__in=gone).delete()[0]


def count(person: Person) -> int:
    return sum(1 for _ in entries(person)) + len(samples(person))


def readable(entry: Entry) -> list[Any]:
    """The events as JSON has them."""
    return [msgspec.to_builtins(event) for event in entry.events]
