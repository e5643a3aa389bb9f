"""Made-up traffic: visitors who come, some of them again, look around, and sometimes buy.

The same seed and days give the same events; what would lie after `until` is left out.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from ingest.demo import tables
from ingest.demo.tables import CART, CHECKOUT, THANKS, Page
from ingest.event import ENGAGEMENT, PAGEVIEW, Context, Event

GROWTH = 0.35  # by how much the last day has more sessions than the first
MAILING = 11  # days before the end on which a newsletter went out, and what it brought
MAILED = 1.4
RETURNING, BOUNCING, SHOPPING = 0.24, 0.45, 0.13  # of visitors, of sessions, of those that see more
SESSIONS_A_VISITOR = 1.12
PAGES_MAX = 14
EARLIER_DAYS = 4
CURRENCY = "EUR"
HOUR = 3600


class Weighted(Protocol):
    @property
    def weight(self) -> float: ...


Row = TypeVar("Row", bound=Weighted)


class Scale(NamedTuple):
    """How much, and where: HOST is that of every page; days are those of the site's own clock."""

    host: str
    first: date
    until: datetime  # with a zone: the site's
    visitors_per_day: int


class Visitor(NamedTuple):
    id: int
    context: Context


def draw(scale: Scale, seed: int) -> Iterator[list[Event]]:
    """Day by day, the events of each in order of time."""
    drawing = Drawing(scale, random.Random(seed))  # noqa: S311  nothing secret is drawn
    day = scale.first
    while day <= scale.until.date():
        end = scale.until.timestamp()
        events = [event for event in drawing.day(day) if event.ts <= end]
        yield sorted(events, key=lambda event: event.ts)
        day += timedelta(days=1)


class Drawing:
    def __init__(self, scale: Scale, chance: random.Random) -> None:
        self.scale, self.chance = scale, chance
        # Some were there before the first day; otherwise nobody would return in the beginning.
        self.known = [self._newcomer() for _ in range(EARLIER_DAYS * scale.visitors_per_day)]
        self.orders = 1000

    def day(self, day: date) -> list[Event]:
        return [event for _ in range(self._sessions_of(day)) for event in self._session(day)]

    def _sessions_of(self, day: date) -> int:
        last = self.scale.until.date()
        whole, left = max(1, (last - self.scale.first).days), (last - day).days
        growth = 1 - GROWTH / (1 + GROWTH) * left / whole
        mailed = MAILED if left == MAILING else 1
        rhythm = tables.WEEK[day.weekday()] * self.chance.uniform(0.93, 1.07)
        return round(self.scale.visitors_per_day * growth * rhythm * mailed * SESSIONS_A_VISITOR)

    def _session(self, day: date) -> Iterator[Event]:
        visitor = self._visitor()
        at = self._start(day)
        arrival = self.pick(tables.ARRIVALS)
        view = View(self, visitor, self.chance.getrandbits(64) - 2**63)
        is_first = True
        for page in self._pages():
            query, referrer = (arrival.query, arrival.referrer) if is_first else (None, None)
            yield view.event(PAGEVIEW, at, page, query=query, referrer=referrer)
            stay = self.chance.lognormvariate(3.3, 0.9)
            yield view.left(at, stay, page)
            yield from self._deeds(view, at + stay / 2, page)
            at += stay + 1
            is_first = False

    def _visitor(self) -> Visitor:
        if self.chance.random() < RETURNING:
            # The recent ones rather than the old ones.
            return self.known[-1 - int(len(self.known) * self.chance.random() ** 2)]
        self.known.append(self._newcomer())
        return self.known[-1]

    def _newcomer(self) -> Visitor:
        device, place = self.pick(tables.DEVICES), self.pick(tables.PLACES)
        screen = self.chance.choice(device.screens)
        context = msgspec.structs.replace(place.context, user_agent=device.agent, screen=screen)
        return Visitor(self.chance.getrandbits(64) - 2**63, context)

    def _start(self, day: date) -> float:
        midnight = datetime.combine(day, time.min, self.scale.until.tzinfo).timestamp()
        (hour,) = self.chance.choices(range(24), tables.HOURS)
        return midnight + hour * HOUR + self.chance.random() * HOUR

    def _pages(self) -> list[Page]:
        pages = [self.pick(tables.PAGES, [page.entries for page in tables.PAGES])]
        if self.chance.random() < BOUNCING:
            return pages
        count = min(PAGES_MAX, 2 + int(self.chance.expovariate(0.5)))
        while len(pages) < count:
            page = self.pick(tables.PAGES)
            if page is not pages[-1]:
                pages.append(page)
        if self.chance.random() < SHOPPING:
            pages += [CART, CHECKOUT, THANKS][: self.chance.choice((1, 1, 2, 3, 3))]
        return pages

    def _deeds(self, view: "View", at: float, page: Page) -> Iterator[Event]:
        """What is done on a page beside looking at it."""
        luck = self.chance.random()
        if page is CART:
            yield view.event("add_to_cart", at - 1, page, value=self._price())
        elif page is THANKS:
            self.orders += 1
            properties = {"order": f"D-{self.orders}", "items": self.chance.randint(1, 4)}
            yield view.event("purchase", at, page, value=self._price(), currency=CURRENCY, properties=properties)
        elif page.path == "/subscription" and luck < 0.09:
            yield view.event("signup", at, page, properties={"plan": self.chance.choice(["monthly", "yearly"])})
        elif luck < 0.012:
            yield view.event("outbound", at, page, label=self.chance.choice(tables.OUTBOUND))

    def _price(self) -> float:
        return round(self.chance.lognormvariate(3.4, 0.5), 2)

    def pick(self, rows: Sequence[Row], weights: Sequence[float] | None = None) -> Row:
        return self.chance.choices(rows, weights or [row.weight for row in rows])[0]


class View(NamedTuple):
    """A session, from which its events are made."""

    drawing: Drawing
    visitor: Visitor
    session: int

    def event(self, name: str, at: float, page: Page, **fields: Any) -> Event:
        return Event(
            id=UUID(int=self.drawing.chance.getrandbits(128), version=4),
            name=name,
            ts=at,
            visitor_id=self.visitor.id,
            session_id=self.session,
            hostname=self.drawing.scale.host,
            path=page.path,
            title=page.title,
            context=self.visitor.context,
            **fields,
        )

    def left(self, at: float, stay: float, page: Page) -> Event:
        """Most of the time a page is open it is looked at, and longer looks reach further down."""
        share = self.drawing.chance.uniform(0.5, 1)
        scroll = min(100, round(25 + stay * share * self.drawing.chance.uniform(0.4, 2)))
        return self.event(ENGAGEMENT, at + stay, page, engaged_ms=round(stay * share * 1000), scroll=scroll)
