"""Folding events into sessions. Pure: rows and events in, rows out; `ingest.store.sessions` reads and saves.

A session that the sender names is all events of that name. Another is found by inactivity: an event within
the site's gap (30 minutes) of a visitor's session belongs to it; one that lies within the gap of two joins
them, and a named one takes in what was derived around it. Midnight means nothing. The fold gives the same
sessions for any order and any batches of the same events: sums, minima and maxima only, and ties of time are
broken by the event's id. (Not promised where a visitor has several named sessions at once: an event without a
name goes to the nearest of those known when it comes; nor inside a named session's hole of over two gaps; nor whose
a session is that several visitors name: it is the one's who came first.)
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ingest.event import PAGEVIEW, Batch, Event, meaning_of
from ingest.hashing import digest
from ingest.sites import KnownSite

Key = tuple[int, int]  # site, session
# Site, and quarter-hour since 1970: in every zone an hour of the clock begins with one.
Quarter = tuple[int, int]
QUARTER_SECONDS = 900
HALF_HOUR = 1800
# How many sessions of one visitor are looked at for an event without a session's name: ids are the sender's,
# and one that names a session for every event must not slow the others down.
MOST_NEAR = 50


class Placed(msgspec.Struct):
    """An event on its way into the tables, with the batch it came in and, once folded, its session."""

    site: KnownSite
    event: Event
    batch: Batch
    ts: datetime
    session_id: int = 0

    @classmethod
    def of(cls, site: KnownSite, event: Event, batch: Batch) -> "Placed":
        return cls(site, event, batch, datetime.fromtimestamp(event.ts, UTC))

    @property
    def order(self) -> tuple[float, int]:
        return self.event.ts, self.event.id.int


class Origin(msgspec.Struct, omit_defaults=True):
    """What a session takes whole from its first event: from where, and with what."""

    source: str = "Direct"
    channel: str = "Direct"
    hostname: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    click_ids: dict[str, str] | None = None
    device: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    user_agent: str | None = None
    screen: str | None = None
    viewport: str | None = None
    language: str | None = None
    timezone: str | None = None
    color_scheme: str | None = None
    connection: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None


class SessionRow(Origin):
    """A row of `ingest_session`, under the columns' names; see the model for their meaning."""

    site_id: int = 0
    id: int = 0
    visitor_id: int = 0
    user_id: str | None = None
    user_at: datetime | None = None
    is_derived: bool = False
    is_new_visitor: bool = False
    seen_from: datetime = datetime.max.replace(tzinfo=UTC)
    seen_until: datetime = datetime.min.replace(tzinfo=UTC)
    started_at: datetime = datetime.max.replace(tzinfo=UTC)
    last_activity: datetime = datetime.min.replace(tzinfo=UTC)
    first_event: UUID = UUID(int=0)
    entry_at: datetime | None = None
    entry_page: str | None = None
    exit_at: datetime | None = None
    exit_page: str | None = None
    page_views: int = 0
    events: int = 0
    interactive: int = 0
    impressions: int = 0
    interactions: int = 0
    errors: int = 0
    engaged_ms: int = 0
    scroll: int = 0
    revenue: float = 0.0
    is_bounce: bool = False

    @property
    def key(self) -> Key:
        return self.site_id, self.id

    @property
    def first(self) -> tuple[bool, datetime, UUID]:
        """Orders first events: one that counts before one that does not, then by time, then by id."""
        return self.events == 0, self.started_at, self.first_event


COLUMNS = SessionRow.__struct_fields__
ORIGIN = Origin.__struct_fields__
FIGURES = COLUMNS[len(ORIGIN) :]
CLICK_IDS = COLUMNS.index("click_ids")


class Folded(NamedTuple):
    """What a fold changed. `joined` maps a session that is no more to the one that took it in."""

    new: list[SessionRow]
    changed: list[SessionRow]
    joined: dict[Key, SessionRow]
    origins: set[Key]  # of the sessions that now have another first event, and what follows from it
    quarters: set[Quarter]  # in which figures have changed


class Fold:
    """One fold over the sessions that its events may touch.

    LOADED must hold the named sessions of the events and, of their visitors, every session whose span comes
    within the gap of an event. ORIGIN_OF gives what a session takes from its first event; it is asked only
    for events that come first.
    """

    def __init__(self, loaded: Iterable[SessionRow], origin_of: Callable[[Placed], Origin]) -> None:
        self.origin_of = origin_of
        self.rows: dict[Key, SessionRow] = {}
        self.of_visitor: dict[Key, list[SessionRow]] = defaultdict(list)
        self.stored: set[Key] = set()
        self.touched: dict[Key, None] = {}
        self.pages: dict[Key, tuple[str | None, str | None]] = {}  # as they were stored
        self.joined: dict[Key, Key] = {}
        self.origins: set[Key] = set()
        self.quarters: set[Quarter] = set()
        for row in loaded:
            self._hold(row)
            self.stored.add(row.key)
            self.pages[row.key] = row.entry_page, row.exit_page

    def add(self, events: Iterable[Placed]) -> Folded:
        """Folds the events, sets their `session_id` and says what changed."""
        placed = sorted(events, key=lambda item: item.order)
        for item in placed:
            row = self._row_of(item)
            self._count(row, item)
            item.session_id = row.id
            self.touched[row.site_id, row.id] = None
            # As it is stored, in whole microseconds: the event's own float may lie before an hour that it rounds to.
            self.quarters.add((row.site_id, int(item.ts.timestamp() // QUARTER_SECONDS)))
        if self.joined:
            for item in placed:
                item.session_id = self._last((item.site.id, item.session_id))[1]
        return self._outcome()

    def _outcome(self) -> Folded:
        rows = [self.rows[key] for key in self.touched if key in self.rows]
        for row in rows:
            self._mark(row)
            if row.key in self.origins or (row.entry_page, row.exit_page) != self.pages.get(row.key):
                self._mark_all(row)
        return Folded(
            [row for row in rows if row.key not in self.stored],
            [row for row in rows if row.key in self.stored],
            {key: self.rows[self._last(key)] for key in self.joined if key in self.stored},
            self.origins,
            self.quarters,
        )

    def _mark(self, row: SessionRow) -> None:
        """A session's figures are those of the hour that it started in; one that has just begun has none yet."""
        if row.seen_from <= row.seen_until:
            self.quarters.add((row.site_id, int(row.started_at.timestamp() // QUARTER_SECONDS)))

    def _mark_all(self, row: SessionRow) -> None:
        """Each of a session's events is broken down by what the session is, in the hour of the event."""
        first, last = int(row.seen_from.timestamp()), int(row.seen_until.timestamp())
        # By half hours: one may be all there is of an hour in which clocks are set.
        for seconds in (*range(first, last, HALF_HOUR), last):
            self.quarters.add((row.site_id, seconds // QUARTER_SECONDS))

    def _hold(self, row: SessionRow) -> SessionRow:
        self.rows[row.key] = row
        rows = self.of_visitor[row.site_id, row.visitor_id]
        rows.append(row)
        if len(rows) > MOST_NEAR:
            # Never the one that has just begun: its own events are still to be counted.
            rows.remove(min(rows[:-1], key=lambda row: row.seen_until))
        return row

    def _last(self, key: Key) -> Key:
        while key in self.joined:
            key = self.joined[key]
        return key

    def _row_of(self, item: Placed) -> SessionRow:
        if item.event.session_id is None:
            return self._by_inactivity(item)
        known = self.rows.get((item.site.id, item.event.session_id))
        row = known or self._begin(item, item.event.session_id, is_derived=False)
        # Events without a session's name that came first: they belong to it as much as later ones.
        return self._absorb(row, self._near(item))

    def _near(self, item: Placed) -> list[SessionRow]:
        """The visitor's sessions that the event lies within the gap of."""
        rows = self.of_visitor.get((item.site.id, item.event.visitor_id))
        if not rows:
            return []
        gap = timedelta(seconds=item.site.session_seconds)
        earliest, latest = item.ts - gap, item.ts + gap
        return [row for row in rows if row.seen_from <= latest and row.seen_until >= earliest]

    def _absorb(self, into: SessionRow, near: list[SessionRow]) -> SessionRow:
        for other in near:
            if other is not into and other.is_derived:
                self._join(into, other)
        return into

    def _by_inactivity(self, item: Placed) -> SessionRow:
        near = self._near(item)
        if not near:
            return self._begin(item, derived_id(item), is_derived=True)
        # A session that the sender named is joined into no other: its name says what belongs to it.
        named = [row for row in near if not row.is_derived]
        if named:
            nearest = min(named, key=lambda row: (abs(row.seen_until - item.ts), row.id))
            return self._absorb(nearest, near)
        near.sort(key=lambda row: (row.seen_from, row.id))
        return self._absorb(near[0], near)

    def _begin(self, item: Placed, id_: int, *, is_derived: bool) -> SessionRow:
        return self._hold(
            SessionRow(site_id=item.site.id, id=id_, visitor_id=item.event.visitor_id, is_derived=is_derived)
        )

    def _join(self, into: SessionRow, other: SessionRow) -> None:
        self._mark(other)
        self._mark(into)
        merge(into, other)
        self.origins.add(into.key)
        self.joined[other.key] = into.key
        self.touched[into.key] = None
        del self.rows[other.key]
        rows = self.of_visitor[other.site_id, other.visitor_id]
        if other in rows:
            rows.remove(other)

    def _count(self, row: SessionRow, item: Placed) -> None:
        """The origin is found only of an event that comes first."""
        if comes_first(item, row):
            self._mark(row)  # its start moves
            take_origin(row, self.origin_of(item))
            self.origins.add(row.key)
            row.first_event = item.event.id
        count(row, item)


def comes_first(item: Placed, row: SessionRow) -> bool:
    """Whether the event is before all that ROW has counted; see `SessionRow.first`."""
    is_ping = not meaning_of(item.event.name, item.event.category).counts
    return (is_ping, item.ts, item.event.id) < row.first


def count(row: SessionRow, item: Placed) -> None:
    """Adds one event to its session, but for the origin. The same as merging the session of this event alone."""
    event, ts, meaning = item.event, item.ts, meaning_of(item.event.name, item.event.category)
    if meaning.counts and not row.events:
        row.started_at = row.last_activity = ts
    elif meaning.counts or not row.events:
        row.started_at, row.last_activity = min(row.started_at, ts), max(row.last_activity, ts)
    row.seen_from, row.seen_until = min(row.seen_from, ts), max(row.seen_until, ts)
    row.events += meaning.counts
    row.interactive += meaning.ends_bounce
    if meaning.counter:
        setattr(row, meaning.counter, getattr(row, meaning.counter) + 1)
    if event.name == PAGEVIEW and event.path:
        _count_page(row, ts, event.path)
    if event.user_id and (not row.user_at or (ts, event.user_id) > (row.user_at, row.user_id)):
        row.user_id, row.user_at = event.user_id, ts
    row.engaged_ms += event.engaged_ms or 0
    row.scroll = max(row.scroll, event.scroll or 0)
    if event.currency and event.value:
        row.revenue = added(row.revenue, event.value)
    row.is_bounce = row.page_views == 1 and row.interactive == 0


def _count_page(row: SessionRow, ts: datetime, path: str) -> None:
    # Times first: two pages at the very same moment are rare.
    if row.entry_at is None or ts < row.entry_at or (ts == row.entry_at and path < (row.entry_page or "")):
        row.entry_at, row.entry_page = ts, path
    if row.exit_at is None or ts > row.exit_at or (ts == row.exit_at and path > (row.exit_page or "")):
        row.exit_at, row.exit_page = ts, path


SUMS = (
    "page_views",
    "events",
    "interactive",
    "impressions",
    "interactions",
    "errors",
    "engaged_ms",
)


def added(one: float, other: float) -> float:
    """Rounded to ten-thousandths, so that a sum is the same in any order (up to some 900 billion)."""
    return round(one + round(other, 4), 4)


def merge(into: SessionRow, other: SessionRow) -> None:
    """Makes INTO the session of both rows' events. Commutative and associative."""
    counted = [row for row in (into, other) if row.events] or [into, other]
    if other.first < into.first:
        take_origin(into, other)
        into.first_event = other.first_event
    started, ended = min(row.started_at for row in counted), max(row.last_activity for row in counted)
    into.started_at, into.last_activity = started, ended
    into.seen_from = min(into.seen_from, other.seen_from)
    into.seen_until = max(into.seen_until, other.seen_until)
    _merge_pages(into, other)
    if other.user_at and (not into.user_at or (other.user_at, other.user_id) > (into.user_at, into.user_id)):
        into.user_id, into.user_at = other.user_id, other.user_at
    for name in SUMS:
        setattr(into, name, getattr(into, name) + getattr(other, name))
    into.revenue = added(into.revenue, other.revenue)
    into.scroll = max(into.scroll, other.scroll)
    into.is_bounce = into.page_views == 1 and into.interactive == 0


def _merge_pages(into: SessionRow, other: SessionRow) -> None:
    entries = [(row.entry_at, row.entry_page) for row in (into, other) if row.entry_at and row.entry_page]
    exits = [(row.exit_at, row.exit_page) for row in (into, other) if row.exit_at and row.exit_page]
    if entries:
        into.entry_at, into.entry_page = min(entries)
        into.exit_at, into.exit_page = max(exits)


def take_origin(row: SessionRow, origin: Origin) -> None:
    for name in ORIGIN:
        setattr(row, name, getattr(origin, name))


def derived_id(item: Placed) -> int:
    """From the visitor and the first event seen of it; stays when earlier ones arrive."""
    return digest(item.site.secret, f"derived\0{item.event.visitor_id}\0{item.event.id}")


def as_tuple(row: SessionRow) -> tuple[Any, ...]:
    """In the order of COLUMNS, JSON as text."""
    values = msgspec.structs.astuple(row)
    return (*values[:CLICK_IDS], _json(row.click_ids), *values[CLICK_IDS + 1 :])


def figures_of(row: SessionRow) -> tuple[Any, ...]:
    """In the order of FIGURES."""
    return msgspec.structs.astuple(row)[len(ORIGIN) :]


def _json(value: dict[str, str] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
