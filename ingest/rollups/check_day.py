"""The stored aggregates of a day against a recount, on one snapshot: what differs, where, and by how much.

Totals and named events are counted by plain SQL (`by_sql`), so that a fault of the recount is found too; breakdowns by
the recount. A bucket that waits to be built again is pending, and no drift.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ingest.clock import HOUR
from ingest.dimensions import PROPERTY
from ingest.models import RollupState
from ingest.retention.cuts import HOURLY_DAYS
from ingest.rollups import by_sql, check_sessions, gone, rebuild, recount
from ingest.rollups.buckets import Day, today
from ingest.rollups.drift import At, Drift, Figures, Place, Value, between
from ingest.rollups.raw import Raw, load
from ingest.rollups.recount import MOST_NAMES, MOST_VALUES, Row
from ingest.sites import KnownSite
from ingest.snapshot import snapshot

MOST = 1_000  # differences of a day that are kept to be told; all are counted

MARKED = "SELECT DISTINCT hour FROM ingest_dirty_hour WHERE site_id = %s AND hour > %s AND hour < %s"
WITHIN = sql.SQL("SELECT * FROM {table} WHERE site_id = %(site)s AND hour >= %(start)s AND hour < %(end)s")
AT_HOUR = sql.SQL("SELECT * FROM {table} WHERE site_id = %(site)s AND hour = %(hour)s")
OF_DAY = sql.SQL("SELECT * FROM {table} WHERE site_id = %(site)s AND day = %(day)s")
OF_DIMENSION = sql.SQL("{rows} AND dimension = %(dimension)s ORDER BY place")
# Of properties that the site has chosen no longer, or of nothing that there is.
UNKNOWN = sql.SQL("{rows} AND dimension <> ALL(%(known)s) ORDER BY dimension, place")
# Of hours that are none, too.
STRAY = sql.SQL("{rows} AND (dimension <> ALL(%(known)s) OR hour <> ALL(%(hours)s)) ORDER BY hour, dimension, place")
TOTAL: Value = ("",)
Rows = list[dict[str, Any]]


class Checked(NamedTuple):
    """What was found of a day."""

    day: Day
    events: int
    drifts: list[Drift]  # the first MOST
    drifted: int  # all of them
    sessions: set[int]  # those that differ from their events
    pending: list[str]  # buckets
    is_gone: bool = False  # its events are, so it was not looked at

    @property
    def has_stale_rows(self) -> bool:
        """Whether other than sessions differ."""
        return any(one.dimension != "session" for one in self.drifts)


class _Found:
    def __init__(self) -> None:
        self.drifts: list[Drift] = []
        self.count = 0
        self.sessions: set[int] = set()
        self.pending: list[str] = []

    def add(self, drifts: Iterable[Drift]) -> None:
        for one in drifts:
            self.count += 1
            if len(self.drifts) < MOST:
                self.drifts.append(one)


def day(known: KnownSite, one: Day, now: datetime, *, is_strict: bool = False) -> Checked:
    """IS_STRICT: what is pending is drift. Raises psycopg.Error."""
    with snapshot() as conn:
        if gone.days(conn, known, one.date, one.date):
            return Checked(one, 0, [], 0, set(), [], is_gone=True)
        check = _Check(conn, known, one, now, is_strict=is_strict)
        check.run()
        found = check.found
        return Checked(one, check.events, found.drifts, found.count, found.sessions, found.pending)


class _Check:
    """One day, with the hours of it that are over."""

    def __init__(self, conn: psycopg.Connection, known: KnownSite, one: Day, now: datetime, *, is_strict: bool) -> None:
        self.conn, self.known, self.day, self.now = conn, known, one, now
        self.is_closed = one.is_closed(now)
        self.edges = [edge for edge in one.edges if edge <= now]
        self.given = {"site": known.id, "start": one.start, "end": one.end, "day": one.date}
        self.found = _Found()
        self.events = 0
        self.age = (today(known.zone, now) - one.date).days
        self.is_strict = is_strict
        self.waiting = NOTHING_WAITS if is_strict else _Waiting.of(conn, known, one)

    def run(self) -> None:
        for id_, drift in check_sessions.of_day(self.conn, self.known, self.day):
            self.found.sessions.add(id_)
            self.found.add([drift])
        if len(self.edges) < 2:
            return  # its first hour is not over
        raw = load(self.conn, self.known, self.edges)
        self.events = raw.happened
        totals = by_sql.totals(self.conn, self.known, self.edges)
        named = by_sql.named(self.conn, self.known, self.edges)
        if self.age <= HOURLY_DAYS:
            self._hours(raw, totals.hours, named.hours)
        self._whole(raw.whole(), totals.whole, named.whole)

    # --- Hours --------------------------------------------------------------------------------------------

    def _hours(self, raw: Raw, totals: Sequence[Figures | None], named: Sequence[Sequence[Figures]]) -> None:
        stored = self._read("ingest_hourly_total", WITHIN), self._read("ingest_hourly_events", WITHIN)
        by_hour = [_by(rows, "hour") for rows in stored]
        pending = {at for at in {*self.edges[:-1], *by_hour[0], *by_hour[1]} if self.waiting.holds_hour(at, by_hour[0])}
        self.found.pending += [f"{at:%Y-%m-%d %H:%M%z}" for at in sorted(pending)]
        ends = dict(zip(self.edges, self.edges[1:], strict=False))
        counted = dict(zip(self.edges[:-1], zip(totals, named, strict=True), strict=True))
        for at in sorted({*counted, *by_hour[0], *by_hour[1]} - pending):
            total, names = counted.get(at, (None, []))
            wanted = {**total, "ends_at": ends[at]} if total else None
            self._total("ingest_hourly_total", at, by_hour[0].get(at, []), wanted)
            self._named("ingest_hourly_events", at, by_hour[1].get(at, []), names)
        if self.age < rebuild.KEPT_DAYS:
            self._hourly_breakdowns(raw, pending)

    def _hourly_breakdowns(self, raw: Raw, pending: set[datetime]) -> None:
        """An hour at a time: all of a day may have a million rows."""
        table, known = "ingest_hourly_breakdown", list[str]()
        for dimension, found in recount.breakdowns(raw):
            known.append(dimension)
            for at, counted in zip(self.edges[:-1], found.rows, strict=True):
                if at not in pending:
                    stored = self._read(table, AT_HOUR, dimension, hour=at)
                    self._breakdown(Place(table, at, dimension), stored, counted)
        query = STRAY.format(rows=WITHIN.format(table=sql.Identifier(table)))
        self._unknown(table, "hour", query, known, hours=[*self.edges[:-1], *pending])

    # --- The day ------------------------------------------------------------------------------------------

    def _whole(self, raw: Raw, total: Figures | None, named: Sequence[Figures]) -> None:
        stored = self._read("ingest_daily_total", OF_DAY)
        if self.waiting.is_all or (self.is_closed and self.waiting.holds_day(self.day, stored)):
            self.found.pending.append(f"{self.day.date}")
            return
        # A day that is not over has rows by hour alone.
        wanted = {**total, "starts_at": self.day.start, "ends_at": self.day.end} if total and self.is_closed else None
        self._total("ingest_daily_total", self.day.date, stored, wanted)
        names = self._read("ingest_daily_events", OF_DAY)
        self._named("ingest_daily_events", self.day.date, names, named if self.is_closed else [])
        capped = self._daily_breakdowns(raw) + ([rebuild.CAPPED_NAMES] if len(named) > MOST_NAMES else [])
        if wanted and len(stored) == 1:
            told = {"capped": sorted(stored[0]["capped"])}
            self._total("ingest_daily_total", self.day.date, [told], {"capped": sorted(capped)})

    def _daily_breakdowns(self, raw: Raw) -> list[str]:
        """Returns the dimensions that have more values than are kept."""
        known, capped = list[str](), list[str]()
        for dimension, found in recount.breakdowns(raw):
            known.append(dimension)
            rows = self._read("ingest_daily_breakdown", OF_DAY, dimension)
            place = Place("ingest_daily_breakdown", self.day.date, dimension)
            [values] = found.rows
            is_there = self._breakdown(place, rows, values if self.is_closed else [])
            capped += [dimension] if found.capped[0] and is_there else []
        query = UNKNOWN.format(rows=OF_DAY.format(table=sql.Identifier("ingest_daily_breakdown")))
        self._unknown("ingest_daily_breakdown", "day", query, known)
        return capped

    # --- Rows ---------------------------------------------------------------------------------------------

    def _total(self, table: str, at: At, stored: Rows, wanted: Figures | None) -> None:
        counted = [(TOTAL, wanted)] if wanted else []
        self.found.add(between(Place(table, at), [(TOTAL, row) for row in stored], counted))

    def _named(self, table: str, at: At, stored: Rows, wanted: Sequence[Figures]) -> None:
        rows = [((row["name"], row["label"]), row) for row in stored]
        counted = [
            ((row["name"], row["label"]), {**{name: row[name] for name in NAMED_FIGURES}, "place": place})
            for place, row in enumerate(wanted[:MOST_NAMES])
        ]
        self.found.add(between(Place(table, at, "event and label"), rows, counted))

    def _breakdown(self, place: Place, stored: Rows, counted: list[Row]) -> bool:
        """Whether it was compared. A property that was chosen after its bucket was built waits for a backfill."""
        if place.dimension.startswith(PROPERTY) and counted and not stored and not self.is_strict:
            self.found.pending.append(f"{place.dimension} of {place.bucket}")
            return False
        self.found.add(between(place, _valued(stored), _counted(counted)))
        return True

    def _unknown(self, table: str, at: str, query: sql.Composed, known: list[str], **given: Any) -> None:
        for row in _rows(self.conn, query, {**self.given, "known": known, **given}):
            if row["dimension"].startswith(PROPERTY) and not self.is_strict:
                continue  # one that is chosen no longer: gone when its bucket is built again
            place = Place(table, row[at], row["dimension"])
            self.found.add(between(place, _valued([row]), ()))

    def _read(self, table: str, where: sql.SQL, dimension: str = "", **given: Any) -> Rows:
        query = where.format(table=sql.Identifier(table))
        if dimension:
            query = OF_DIMENSION.format(rows=query)
        return _rows(self.conn, query, {**self.given, "dimension": dimension, **given})


NAMED_FIGURES = ("events", "visitors", "sessions")


class _Waiting(NamedTuple):
    """What is still to be built: hours that are marked, and whatever no run has reached and has no rows."""

    marks: set[datetime]
    hours_until: datetime
    days_until: date
    is_all: bool = False  # no run was here yet, or in another zone's days

    @classmethod
    def of(cls, conn: psycopg.Connection, known: KnownSite, one: Day) -> "_Waiting":
        marks = {hour for (hour,) in conn.execute(MARKED, (known.id, one.start - HOUR, one.end)).fetchall()}
        state = RollupState.objects.filter(site_id=known.id, zone=known.zone.key).first()
        return cls(marks, state.hours_until, state.days_until) if state else EVERYTHING_WAITS

    def holds_hour(self, at: datetime, built: dict[datetime, Rows]) -> bool:
        is_marked = any(mark < at + HOUR and at < mark + HOUR for mark in self.marks)
        return self.is_all or is_marked or (at >= self.hours_until and at not in built)

    def holds_day(self, one: Day, built: Rows) -> bool:
        return self.is_all or bool(self.marks) or (one.date >= self.days_until and not built)


NOTHING_WAITS = _Waiting(set(), datetime.max.replace(tzinfo=UTC), date.max)
EVERYTHING_WAITS = NOTHING_WAITS._replace(is_all=True)


def _rows(conn: psycopg.Connection, query: sql.Composed, values: dict[str, Any]) -> Rows:
    """Bitmaps come several times faster in binary."""
    with psycopg.Cursor(conn, row_factory=dict_row) as cursor:
        return cursor.execute(query, values, binary=True).fetchall()


def _by(rows: Rows, name: str) -> dict[Any, Rows]:
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _valued(rows: Rows) -> list[tuple[Value, Figures]]:
    return [((row["value"],), row) for row in rows]


def _counted(rows: list[Row]) -> Iterator[tuple[Value, Figures]]:
    for place, row in enumerate(rows[:MOST_VALUES]):
        figures = row._asdict()
        yield (figures.pop("value"),), {**figures, "place": place}
