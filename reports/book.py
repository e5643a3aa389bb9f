"""What the page "Not counted" is made of: the outcomes and their words, and the counts of one site and period."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from django.http import QueryDict
from django.urls import reverse

from ingest.event import DropReason
from ingest.models import Site
from ingest.refusal import REJECTION_SENTENCES
from reports import ledger
from reports.asking import Asked, asked
from reports.ledger import Line
from reports.queries import buckets
from reports.queries.query import Bucket

CHOICES = ("period", "from", "to", "interval", "metric")  # of an address, that mean something here


class Outcome(NamedTuple):
    name: str  # in addresses
    kept_as: str  # in the counts; "" is all of them
    label: str
    sign: str  # before it, in the equation
    help: str


OUTCOMES = (
    Outcome(
        "received", "", "Received", "", "Events of imports, and of requests that named this site and could be read."
    ),
    Outcome("stored", "stored", "Stored", "=", "Counted in the figures."),
    Outcome("repeated", "duplicate", "Repeated", "+", "Sent again with the same id; stored once, and counted once."),
    Outcome("dropped", "dropped", "Dropped", "+", "Well-formed and deliberately not counted."),
    Outcome("rejected", "rejected", "Rejected", "+", "Malformed; the sender was told."),
    Outcome("set_aside", "quarantined", "Set aside", "+", "Refused by the database; staff can write them again."),
)
BY_NAME = {outcome.name: outcome for outcome in OUTCOMES}
LABELS = {outcome.kept_as: outcome.label for outcome in OUTCOMES}
FAULTS = {  # classes of SQLSTATE
    "22": "The database cannot keep one of its values.",
    "23": "A value breaks a rule of the tables.",
    "54": "A value is too large for an index.",
}


def why(outcome: str, reason: str) -> str:
    """The sentence of a reason; a word that this version does not know, written by a newer one, stands alone."""
    if outcome == "dropped":
        return DropReason(reason).sentence if reason in set(DropReason) else reason
    if outcome == "rejected":
        return REJECTION_SENTENCES.get(reason, reason)
    return FAULTS.get(reason[:2], reason)


@dataclass(frozen=True)
class Ledger:
    """What the page is made of. `may_read`: samples and own rules too."""

    asked: Asked
    may_read: bool
    told_metric: str
    told_reason: str
    steps: tuple[Bucket, ...]
    lines: Sequence[Line] = field(default=())

    @property
    def events(self) -> Counter[str]:
        """By outcome as it is kept; "" is their sum."""
        found: Counter[str] = Counter()
        for line in self.lines:
            found[line.outcome] += line.events
            found[""] += line.events
        return found

    @property
    def reasons(self) -> list[tuple[tuple[str, str], int]]:
        """Outcome and reason of what was not counted, most first."""
        found: Counter[tuple[str, str]] = Counter()
        for line in self.lines:
            if line.outcome in ledger.UNCOUNTED:
                found[line.outcome, line.reason] += line.events
        return sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))

    @property
    def drawn(self) -> Outcome:
        """As chosen; else the first of those not counted that there is any of."""
        if self.told_metric in BY_NAME:
            return BY_NAME[self.told_metric]
        missing = [outcome for outcome in OUTCOMES if outcome.kept_as in ledger.UNCOUNTED]
        return next((outcome for outcome in missing if self.events[outcome.kept_as]), OUTCOMES[0])


def of(told: QueryDict, site: Site, now: datetime, may_read: bool) -> Ledger:
    """The question alone. Raises QueryRefused for a period that is none."""
    question = asked(told, site, reverse("uncounted", args=[site.key]), now)
    question = replace(question, links=question.links.at(question.links.path, CHOICES), filters=())
    steps = buckets.buckets(question.query.period, question.interval, now)
    return Ledger(question, may_read, told.get("metric", ""), told.get("reason", ""), steps)


def counted(book: Ledger) -> Ledger:
    """With its counts. Raises TROUBLE."""
    return replace(book, lines=ledger.lines(book.asked.site.pk, book.steps))
