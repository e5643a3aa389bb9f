"""What happens to a site, in which order: its events in batches, and between them whatever changes figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import strategies as st

from ingest.event import Event
from ingest.models import Shield
from ingest.people.find import Who
from tests.agreement.events import histories
from tests.agreement.places import DAYS, OTHERS, PLACES, Place

Drain = Literal["hours", "closed_days"]
Of = Literal["process", "connection"]


@dataclass(frozen=True)
class Write:
    """Events in a batch, some of which were sent before."""

    events: list[Event] = field(repr=False)
    is_import: bool = False

    def __str__(self) -> str:
        return f"write {[event.id.int >> 64 for event in self.events]}"


@dataclass(frozen=True)
class Build:
    """A run of a drain, LATER than whatever ran before."""

    drain: Drain
    later: timedelta


@dataclass(frozen=True)
class Death:
    """A run that ends at its AT-th statement: by the death of the process, or of the server's end of the line."""

    drain: Drain
    later: timedelta
    at: int
    of: Of


@dataclass(frozen=True)
class During:
    """A run, before whose AT-th statement another process takes STEPS."""

    drain: Drain
    later: timedelta
    at: int
    steps: "tuple[Write | Build | Rezone, ...]"


@dataclass(frozen=True)
class Hide:
    """A rule of the site's is applied to what is stored."""

    kind: str
    value: str


@dataclass(frozen=True)
class Erase:
    """All of a visitor, or of a user. Counts what is left by the true time, so it is for days that are just over."""

    who: Who


@dataclass(frozen=True)
class Rezone:
    zone: str


@dataclass(frozen=True)
class Recompute:
    """A visitor's sessions, found and counted by an older version, are found again."""

    visitor: int


Step = Write | Build | Death | During | Hide | Erase | Rezone | Recompute


@dataclass(frozen=True)
class Plan:
    place: Place
    now: datetime  # by the clock of the first run
    steps: list[Step]


LATER = st.sampled_from([timedelta(minutes=minutes) for minutes in (0, 0, 1, 5, 40, 61, 180, 1440)])
DRAINS: st.SearchStrategy[Drain] = st.sampled_from(["hours", "hours", "closed_days"])
BUILDS = st.builds(Build, DRAINS, LATER)
STATEMENTS = st.integers(1, 70)
DEATHS = st.builds(Death, DRAINS, LATER, STATEMENTS, st.sampled_from(["process", "connection"]))
HIDES = st.sampled_from(
    [
        Hide(Shield.Kind.PATH, "/pricing"),
        Hide(Shield.Kind.PATH, "/"),
        Hide(Shield.Kind.COUNTRY, "DE"),
        Hide(Shield.Kind.HOST, "www.example.com"),
        Hide(Shield.Kind.REFERRER, "spam.example"),
    ]
)
CHANGES = st.one_of(st.sampled_from(OTHERS).map(Rezone), st.integers(1, 4).map(Recompute), HIDES)
REZONED = st.tuples(st.sampled_from(OTHERS).map(Rezone), st.just(Build("hours", timedelta())))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """One process at a time, none of which dies."""
    return draw(_plans(st.one_of(BUILDS, CHANGES)))


@st.composite
def rough_plans(draw: st.DrawFn) -> Plan:
    """Runs that end half-way, and runs while others run."""
    return draw(_plans(st.one_of(BUILDS, CHANGES, DEATHS, DEATHS, DEATHS), is_rough=True))


ERASURES = st.sampled_from([Erase(Who(visitors=(1,))), Erase(Who(visitors=(2,))), Erase(Who(user_id="anna"))])


def erasing_plans(place: Place) -> st.SearchStrategy[Plan]:
    """Persons are erased while their events still come."""
    return _plans(st.one_of(BUILDS, ERASURES, HIDES), [place])


@st.composite
def _plans(
    draw: st.DrawFn, between: st.SearchStrategy[Step], places: Sequence[Place] = PLACES, *, is_rough: bool = False
) -> Plan:
    place = draw(st.sampled_from(places))
    steps: list[Step] = []
    day = draw(st.integers(0, DAYS - 1))
    for write in draw(batches(place, day)):
        if is_rough and draw(st.booleans()):
            meanwhile = st.one_of(BUILDS.map(lambda one: (one,)), REZONED, st.just((write,)))
            steps.append(During(draw(DRAINS), draw(LATER), draw(STATEMENTS), draw(meanwhile)))
        steps += [write, *draw(st.lists(between, max_size=2))]
    if not place.is_recent:
        steps = [step for step in steps if not isinstance(step, Hide)]
    return Plan(place, place.hours_of(day)[0].start + timedelta(hours=draw(st.integers(3, 20)), minutes=5), steps)


@st.composite
def batches(draw: st.DrawFn, place: Place, day: int) -> list[Write]:
    """The events in any order, cut anywhere; each batch may bring again what came before."""
    events = draw(st.permutations(draw(histories(place, day))))
    ends = sorted({*draw(st.lists(st.integers(1, len(events)), max_size=4)), len(events)})
    writes = []
    for start, end in zip([0, *ends], ends, strict=False):
        again = draw(st.lists(st.sampled_from(events[:end]), max_size=2))
        writes.append(Write([*events[start:end], *again], draw(st.booleans())))
    return writes
