"""An import: lines through a format into batches, batches through the writer that live events go through.

Nothing is remembered between runs. What is stored already is found by the events' ids, so an import that was
interrupted is finished by running it again.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

import psycopg

from ingest import partitions, quarantine, writer
from ingest.enrich import source
from ingest.event import Batch, Event
from ingest.importers.line import Into, Left, Outcome, Parse
from ingest.importers.lines import LONGEST, Line
from ingest.writer import Written

BATCH_EVENTS = 5_000
SAMPLES = 5
ATTEMPTS = 5


class Sample(NamedTuple):
    """A malformed line, told by its number: its text may hold an address."""

    line: int
    reason: str


class Tally:
    """What became of the lines so far."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter(dict.fromkeys(Outcome, 0))
        self.malformed: list[Sample] = []

    @property
    def lines(self) -> int:
        return self.outcomes.total()

    def leave(self, line: int, left: Left) -> None:
        self.outcomes[left.outcome] += 1
        if left.outcome is Outcome.MALFORMED and len(self.malformed) < SAMPLES:
            self.malformed.append(Sample(line, left.reason))


Write = Callable[[list[Event]], Written]


def run(lines: Iterable[Line], parse: Parse, into: Into, write: Write, tally: Tally) -> None:
    """Takes all lines; TALLY is right after every batch, also when something stops the run."""
    for events in _blocks(_events(lines, parse, into, tally)):
        written = write(events)
        tally.outcomes[Outcome.RECORDED] += written.stored
        tally.outcomes[Outcome.REPEATED] += written.duplicates
        tally.outcomes[Outcome.TOO_OLD] += written.too_old
        tally.outcomes[Outcome.REFUSED] += len(events) - sum(written)


def _events(lines: Iterable[Line], parse: Parse, into: Into, tally: Tally) -> Iterator[Event]:
    for number, text in lines:
        try:
            yield _event(text, parse, into)
        except Left as left:
            tally.leave(number, left)


def _event(text: str | None, parse: Parse, into: Into) -> Event:
    if text is None:
        raise Left(Outcome.MALFORMED, f"longer than {LONGEST:,} bytes")
    if not text.strip():
        raise Left(Outcome.EMPTY)
    event = parse(text, into)
    source.strip(event, into.site.kept_parameters)
    return event


def _blocks(events: Iterable[Event]) -> Iterator[list[Event]]:
    block: list[Event] = []
    for event in events:
        block.append(event)
        if len(block) == BATCH_EVENTS:
            yield block
            block = []
    if block:
        yield block


class Store:
    """Writes blocks of events to the tables, making the days they fall into. What the database refuses is set
    aside and stops nothing."""

    def __init__(self, into: Into) -> None:
        self.into = into
        self.made: set[date] = set()

    def __call__(self, events: list[Event]) -> Written:
        days = partitions.days_of(datetime.fromtimestamp(event.ts, UTC) for event in events)
        if not days <= self.made:
            _make(days)
            self.made |= days
        batch = Batch(site_id=self.into.site.id, received_at=self.into.now, events=events, is_import=True)
        return quarantine.write([batch])


def _make(days: set[date]) -> None:
    """Attaching a day waits 2 s for the writers at most; a busy table lets us in on another try."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            partitions.ensure(writer.connected(), days)
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(attempt)


def pretend(events: list[Event]) -> Written:
    """For a dry run: all are new. Whether they are stored already is not looked up."""
    return Written(len(events), 0)
