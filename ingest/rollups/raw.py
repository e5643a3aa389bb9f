"""The raw rows of a range as arrays: its events, and the sessions they belong to.

Texts become small numbers where they are read, so that grouping is arithmetic. A range is cut into buckets by its
edges; what a session does after the range's end is read too (the tail), as a page or an event belongs to a session
whenever in the session it came.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from ingest.dimensions import OF_EVENT, OF_SESSION, PROPERTY
from ingest.event import PAGEVIEW, meaning_of
from ingest.rollups import sets
from ingest.sites import KnownSite
from ingest.store import copying

Ints = NDArray[np.int64]
Small = NDArray[np.int32]  # what there is one of for each event: a busy day has millions
CHUNK = 20_000  # rows fetched at a time: a large day is never held as objects
ENGAGED_MS = 10_000  # in the foreground, and a session counts as engaged
LONGEST = 500  # characters of a property's value
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCALE = 10_000  # revenue is kept in ten-thousandths

# What an event adds to its bucket, in the order of `Events.figures`.
OF_MOMENT = ("engaged_ms", "page_views", "events", "impressions", "interactions", "errors")


class Coded(NamedTuple):
    """A column of texts: the different VALUES, empty for "not set", and for each row which one it has."""

    values: list[str]
    codes: Small

    def of(self, rows: Ints | slice) -> "Coded":
        return Coded(self.values, self.codes[rows])


class Sessions(NamedTuple):
    """One row each; an event names its row. `bucket` is that of the session's start, -1 when it lies outside."""

    number: Ints  # the visitor's
    bucket: Ints
    is_bounce: Ints
    is_new: Ints
    is_engaged: Ints
    duration_us: Ints
    views: Ints
    columns: dict[str, Coded]


class Revenue(NamedTuple):
    """What some ROWS are worth, in ten-thousandths; whole numbers without a limit."""

    rows: Ints
    amounts: list[int]

    def among(self, some: Ints) -> "Revenue":
        """What is worth something among SOME rows, which rise, by its place there."""
        at = np.minimum(np.searchsorted(some, self.rows), max(len(some) - 1, 0))
        kept = np.flatnonzero(some[at] == self.rows) if len(some) else np.empty(0, np.int64)
        return Revenue(at[kept], [self.amounts[one] for one in kept.tolist()])

    def summed(self, groups: Ints) -> dict[int, int]:
        """By the group of each row."""
        sums: dict[int, int] = {}
        for group, amount in zip(groups[self.rows].tolist(), self.amounts, strict=True):
            sums[group] = sums.get(group, 0) + amount
        return sums


class Events(NamedTuple):
    """`bucket` is one past the last for those of the tail."""

    session: Small
    bucket: Small
    figures: Small  # a row for each of OF_MOMENT, a column for each event
    revenue: Revenue
    columns: dict[str, Coded]


class Raw(NamedTuple):
    buckets: int
    sessions: Sessions
    events: Events

    @property
    def happened(self) -> int:
        """How many events lie in the range."""
        return int((self.events.bucket < self.buckets).sum())

    def whole(self) -> "Raw":
        """The same range as one bucket."""
        sessions = self.sessions._replace(bucket=np.minimum(self.sessions.bucket, 0))
        bucket = (self.events.bucket == self.buckets).astype(np.int32)
        return Raw(1, sessions, self.events._replace(bucket=bucket))


SESSION_NUMBERS = ("id", "number", "bucket", "is_bounce", "is_new", "is_engaged", "duration_us", "views", "last_us")
SESSIONS = sql.SQL("""
SELECT s.id, v.number,
       CASE WHEN s.events > 0 THEN width_bucket(s.started_at, %(edges)s::timestamptz[]) ELSE 0 END - 1,
       s.is_bounce::int, s.is_new_visitor::int, (s.engaged_ms >= %(engaged)s)::int,
       CASE WHEN s.is_bounce THEN 0 ELSE (extract(epoch FROM s.last_activity - s.started_at) * 1000000)::bigint END,
       s.page_views, (extract(epoch FROM s.last_activity) * 1000000)::bigint, {columns}
FROM unnest(%(ids)s::bigint[]) AS sought(id)
JOIN ingest_session s ON s.site_id = %(site)s AND s.id = sought.id
JOIN ingest_visitor v ON v.site_id = s.site_id AND v.id = s.visitor_id
""")
EVENT_NUMBERS = ("session", "bucket", "engaged_ms")
EVENT_TEXTS = ("revenue", "name", "category", "label")
EVENTS = sql.SQL("""
SELECT e.session_id, width_bucket(e.ts, %(edges)s::timestamptz[]) - 1, coalesce(e.engaged_ms, 0),
       CASE WHEN e.currency IS NOT NULL THEN round(e.value::numeric, 4) END::text, e.name, e.category,
       nullif(e.label, ''), {columns}
FROM ingest_event e
WHERE e.site_id = %(site)s AND e.ts >= %(start)s AND {until}
""")
WITHIN = sql.SQL("e.ts < %(end)s")
TAIL = sql.SQL("e.ts <= %(last)s AND e.session_id = ANY(%(ids)s::bigint[])")


def load(conn: psycopg.Connection, site: KnownSite, edges: Sequence[datetime]) -> Raw:
    """What happened from the first of EDGES up to the last. Several statements: CONN should be on one snapshot."""
    given = {"site": site.id, "edges": list(edges), "start": edges[0], "end": edges[-1], "engaged": ENGAGED_MS}
    events = _Table(EVENT_NUMBERS, (*EVENT_TEXTS, *_event_dimensions(site)))
    text = EVENTS.format(columns=_event_columns(site), until=WITHIN)
    events.read(conn, text, {**given, **_names(site)})
    sessions = _Table(SESSION_NUMBERS, tuple(kept.name for kept in OF_SESSION))
    sought = np.unique(events.numbers("session"))
    sessions.read(conn, SESSIONS.format(columns=_session_columns()), {**given, "ids": copying.array(sought.tolist())})
    crossing = _crossing(sessions, edges)
    if crossing:
        text = EVENTS.format(columns=_event_columns(site), until=TAIL)
        events.read(conn, text, {**given, **_names(site), **crossing, "start": edges[-1]})
    return Raw(len(edges) - 1, _sessions(sessions, len(edges) - 1), _events(events, sessions.numbers("id"), site))


class _Table:
    """The columns of a statement's rows, gathered a chunk at a time: first numbers, then texts."""

    def __init__(self, numbers: Sequence[str], texts: Sequence[str]) -> None:
        self.numbers_at = {name: place for place, name in enumerate(numbers)}
        self.texts_at = {name: place for place, name in enumerate(texts, len(numbers))}
        self.parts: list[list[Any]] = [[] for _ in (*numbers, *texts)]
        self.known = {place: _Codes() for place in self.texts_at.values()}

    def read(self, conn: psycopg.Connection, text: sql.Composed, values: dict[str, Any]) -> None:
        with psycopg.ServerCursor(conn, "raw_rows") as cursor:
            cursor.execute(text, values)
            while rows := cursor.fetchmany(CHUNK):
                self._add(rows)

    def _add(self, rows: list[tuple[Any, ...]]) -> None:
        for place, column in enumerate(zip(*rows, strict=True)):
            codes = self.known.get(place)
            self.parts[place].append(np.array(column, np.int64) if codes is None else codes.of(column))

    def numbers(self, name: str) -> Ints:
        place = self.numbers_at[name]
        self.parts[place] = [np.concatenate([np.empty(0, np.int64), *self.parts[place]])]
        return self.parts[place][0]

    def coded(self, name: str) -> Coded:
        """To be asked for once: what was gathered is let go."""
        place = self.texts_at[name]
        parts, self.parts[place] = self.parts[place], []
        return Coded([text or "" for text in self.known[place]], np.concatenate([np.empty(0, np.int32), *parts]))


class _Codes(dict[str | None, int]):
    """Numbers texts in the order in which they are first seen."""

    def __missing__(self, text: str | None) -> int:
        self[text] = number = len(self)
        return number

    def of(self, texts: Iterable[str | None]) -> Small:
        return np.fromiter(map(self.__getitem__, texts), np.int32)


def _session_columns() -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL(kept.sql).format(t=sql.Identifier("s")) for kept in OF_SESSION)


def _event_columns(site: KnownSite) -> sql.Composed:
    own = [sql.SQL(kept.sql).format(t=sql.Identifier("e")) for kept in OF_EVENT]
    chosen = [
        sql.SQL("nullif(left(e.properties ->> {}, {}), '')").format(sql.Placeholder(f"property{place}"), LONGEST)
        for place in range(len(site.property_dimensions))
    ]
    return sql.SQL(", ").join([*own, *chosen])


def _event_dimensions(site: KnownSite) -> tuple[str, ...]:
    return (*(kept.name for kept in OF_EVENT), *(PROPERTY + name for name in site.property_dimensions))


def _names(site: KnownSite) -> dict[str, str]:
    return {f"property{place}": name for place, name in enumerate(site.property_dimensions)}


def _crossing(sessions: _Table, edges: Sequence[datetime]) -> dict[str, Any] | None:
    """Which sessions began in the range and went on after it, and until when."""
    bucket, last_us = sessions.numbers("bucket"), sessions.numbers("last_us")
    goes_on = (bucket >= 0) & (bucket < len(edges) - 1) & (last_us >= int(edges[-1].timestamp() * 1_000_000))
    if not goes_on.any():
        return None
    ids = copying.array(sessions.numbers("id")[goes_on].tolist())
    return {"ids": ids, "last": EPOCH + timedelta(microseconds=int(last_us[goes_on].max()))}


def _sessions(table: _Table, buckets: int) -> Sessions:
    bucket, number = table.numbers("bucket"), table.numbers("number")
    if len(number) and int(number.max()) > sets.MOST_NUMBER:
        raise OverflowError(f"visitor number {number.max()}: a site has at most {sets.MOST_NUMBER:,} visitors.")
    return Sessions(
        number=number,
        bucket=np.where(bucket < buckets, bucket, -1),
        is_bounce=table.numbers("is_bounce"),
        is_new=table.numbers("is_new"),
        is_engaged=table.numbers("is_engaged"),
        duration_us=table.numbers("duration_us"),
        views=table.numbers("views"),
        columns={kept.name: table.coded(kept.name) for kept in OF_SESSION},
    )


def _events(table: _Table, session_ids: Ints, site: KnownSite) -> Events:
    """Those whose session is stored; it always is, unless somebody deleted it by hand."""
    place, known = _places(table.numbers("session"), session_ids)
    rows = slice(None) if len(known) == len(place) else known  # nearly always all: no copies then
    coded = {name: table.coded(name).of(rows) for name in table.texts_at}
    return Events(
        session=place[rows].astype(np.int32),
        bucket=table.numbers("bucket")[rows].astype(np.int32),
        figures=_figures(table.numbers("engaged_ms")[rows], coded["name"], coded["category"]),
        revenue=_revenue(coded["revenue"]),
        columns={name: coded[name] for name in ("name", "label", *_event_dimensions(site))},
    )


def _places(sought: Ints, ids: Ints) -> tuple[Ints, Ints]:
    """For each of SOUGHT its place in IDS, and which of them have one."""
    if not len(ids):
        return np.zeros(len(sought), np.int64), np.empty(0, np.int64)
    order = np.argsort(ids)
    place = order[np.minimum(np.searchsorted(ids, sought, sorter=order), len(ids) - 1)]
    return place, np.flatnonzero(ids[place] == sought)


def _figures(engaged_ms: Ints, names: Coded, categories: Coded) -> Small:
    """OF_MOMENT of each event, by what its name and category mean; every pair of them is looked up once."""
    width = max(len(categories.values), 1)
    pairs, which = np.unique(names.codes.astype(np.int64) * width + categories.codes, return_inverse=True)
    meanings = np.zeros((len(OF_MOMENT), len(pairs)), np.int32)
    for place, pair in enumerate(pairs.tolist()):
        name, category = divmod(pair, width)
        meanings[:, place] = _meaning(names.values[name], categories.values[category] or None)
    figures = meanings[:, which]
    figures[0] = engaged_ms
    return figures


def _meaning(name: str, category: str | None) -> list[int]:
    meaning = meaning_of(name, category)
    counted = [meaning.counter == counter for counter in ("impressions", "interactions", "errors")]
    return [0, int(name == PAGEVIEW), int(meaning.counts), *map(int, counted)]


def _revenue(amounts: Coded) -> Revenue:
    worth = {code: int(Decimal(text) * SCALE) for code, text in enumerate(amounts.values) if text}
    paid = np.flatnonzero(np.isin(amounts.codes, list(worth)))
    return Revenue(paid, [worth[code] for code in amounts.codes[paid].tolist()])
