"""From the raw rows of a range to the aggregate rows of its buckets. Pure: arrays in, rows out.

What an event adds belongs to the bucket of its own moment, also under what its session is broken down by; what a
session is as a whole belongs to the bucket of its start, under every page and event that it has anywhere. So all
figures but visitors may be summed over buckets, and visitors are a union of sets.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from ingest.dimensions import OF_SESSION
from ingest.rollups import sets
from ingest.rollups.raw import OF_MOMENT, SCALE, Coded, Events, Ints, Raw, Revenue, Sessions, Small

MOST_VALUES = 50_000  # of a dimension in a bucket; the rest is left off, and the bucket says so
MOST_NAMES = 10_000  # names and labels of events in a bucket
EVENT = "event"

NONE = np.zeros((len(OF_MOMENT), 0), np.int64)
OF_START = ("sessions", "bounces", "engaged_sessions", "duration_us", "session_views")


class Row(NamedTuple):
    """One value in one bucket; the names are those of `ingest.models.rollups.Figures`."""

    value: str
    engaged_ms: int
    duration_us: int
    visitors: int
    page_views: int
    events: int
    impressions: int
    interactions: int
    errors: int
    sessions: int
    bounces: int
    engaged_sessions: int
    session_views: int
    new_visitors: int
    revenue: Decimal
    members: bytes


FIGURES = Row._fields[1:]
NOTHING = Row("", *(0,) * 13, Decimal(0), sets.dumped(np.empty(0, np.int64)))


class NamedRow(NamedTuple):
    events: int
    visitors: int
    sessions: int
    name: str
    label: str | None


class Named(NamedTuple):
    """As `Breakdown`."""

    rows: list[list[NamedRow]]
    capped: list[bool]


class Breakdown(NamedTuple):
    """The rows of each bucket, the largest first, and in which buckets there were more than are kept."""

    rows: Iterator[list[Row]]  # made as they are asked for: all hours of a day may have a million
    capped: list[bool]


# --- What a dimension is made of --------------------------------------------------------------------------


class Cells(NamedTuple):
    """What each session did of each group: a group is a value in a bucket."""

    group: Ints
    session: Ints
    figures: Ints  # a row for each of OF_MOMENT
    revenue: Revenue


class Groups(NamedTuple):
    """`starts` pairs a session with a group of the bucket it began in."""

    values: list[str]
    cells: Cells
    starts: tuple[Ints, Ints]  # group, session


def totals(raw: Raw) -> list[Row | None]:
    """Of each bucket; None where nothing happened."""
    alone = Coded([""], np.zeros(len(raw.sessions.number), np.int32))
    found = _broken_down(raw, _by_session(raw, _cells_of_sessions(raw), alone))
    return [rows[0] if rows else None for rows in found.rows]


def breakdowns(raw: Raw) -> Iterator[tuple[str, Breakdown]]:
    """By the name of the dimension."""
    cells = _cells_of_sessions(raw)
    for kept in OF_SESSION:
        yield kept.name, _broken_down(raw, _by_session(raw, cells, raw.sessions.columns[kept.name]))
    for name, coded in raw.events.columns.items():
        if name not in ("name", "label"):
            yield name, _broken_down(raw, _by_event(raw, coded, is_counted_only=name == EVENT))


def _by_session(raw: Raw, cells: Cells, coded: Coded) -> Groups:
    width = len(coded.values)
    started = np.flatnonzero(raw.sessions.bucket >= 0)
    return Groups(
        coded.values,
        cells._replace(group=cells.group * width + coded.codes[cells.session]),
        (raw.sessions.bucket[started] * width + coded.codes[started], started),
    )


def _cells_of_sessions(raw: Raw) -> Cells:
    """Here a group is a bucket."""
    inside = np.flatnonzero(raw.events.bucket < raw.buckets)
    return _cells(raw, inside, raw.events.bucket[inside].astype(np.int64))


def _by_event(raw: Raw, coded: Coded, *, is_counted_only: bool) -> Groups:
    events, width = raw.events, len(coded.values)
    counts = _counts(events)
    inside = np.flatnonzero((events.bucket < raw.buckets) & (counts | (not is_counted_only)))
    cells = _cells(raw, inside, _paired(events.bucket[inside], width, coded.codes[inside]))
    has, _ = _different(np.sort(_paired(events.session[counts], width, coded.codes[counts])))
    session, code = np.divmod(has, max(width, 1))
    bucket = raw.sessions.bucket[session]
    begun = bucket >= 0
    return Groups(coded.values, cells, (bucket[begun] * width + code[begun], session[begun]))


def _paired(first: Small, width: int, second: Small) -> Ints:
    """Two numbers as one, the second below WIDTH."""
    return first.astype(np.int64) * width + second


def _counts(events: Events) -> "np.typing.NDArray[np.bool_]":
    return events.figures[OF_MOMENT.index("events")] > 0


def _cells(raw: Raw, rows: Ints, group: Ints) -> Cells:
    """Sums up the events ROWS by group and session."""
    width = max(len(raw.sessions.number), 1)
    keys = group * width + raw.events.session[rows]
    order = np.argsort(keys, kind="stable")
    cells, starts = _different(keys[order])
    figures = NONE
    if len(cells):
        figures = np.add.reduceat(raw.events.figures[:, rows[order]], starts, axis=1, dtype=np.int64)
    paid = raw.events.revenue.among(rows)
    return Cells(cells // width, cells % width, figures, Revenue(np.searchsorted(cells, keys[paid.rows]), paid.amounts))


def _different(rising: Ints) -> tuple[Ints, Ints]:
    """The different numbers of RISING, and where each begins. Sorting is quicker than numpy's hashing here."""
    is_first = np.ones(len(rising), bool)
    is_first[1:] = rising[1:] != rising[:-1]
    starts = np.flatnonzero(is_first)
    return rising[starts], starts


# --- Rows -------------------------------------------------------------------------------------------------


class _Sums(NamedTuple):
    """Of every group."""

    of_moment: Ints
    of_start: Ints
    revenue: dict[int, int]
    members: "_Members"
    firsts: Ints


class _Members(NamedTuple):
    """The visitors of each group in rising order, one after the other; `edges` says where each group begins."""

    numbers: Ints
    edges: Ints
    counts: Ints

    @classmethod
    def of(cls, group: Ints, number: Ints, count: int) -> "_Members":
        keys, _ = _different(np.sort(group.astype(np.uint64) << np.uint64(32) | number.astype(np.uint64)))
        starts = np.arange(count + 1, dtype=np.uint64) << np.uint64(32)
        edges = np.searchsorted(keys, starts)
        return cls((keys & np.uint64(sets.MOST_NUMBER)).astype(np.int64), edges, np.diff(edges))

    def dumped(self, group: int) -> bytes:
        return sets.dumped(self.numbers[self.edges[group] : self.edges[group + 1]])


def _broken_down(raw: Raw, groups: Groups) -> Breakdown:
    width = max(len(groups.values), 1)
    found, groups = _those_there_are(groups)
    sums, code = _sums(raw, groups, len(found)), found % width
    by_text = np.argsort(np.argsort(np.array(groups.values, dtype=object)))
    edges = np.searchsorted(found, np.arange(raw.buckets + 1) * width)
    orders = [_largest_first(sums, here, by_text[code[here]]) for here in map(np.arange, edges, edges[1:])]
    rows = ([_row(sums, one, groups.values[code[one]]) for one in order[:MOST_VALUES].tolist()] for order in orders)
    return Breakdown(rows, [len(order) > MOST_VALUES for order in orders])


def _those_there_are(groups: Groups) -> tuple[Ints, Groups]:
    """The groups that occur, and GROUPS by their places among them.

    Most pairs of a bucket and a value do not, and with an address for each order they would be tens of millions.
    """
    started, session = groups.starts
    found, _ = _different(np.sort(np.concatenate([groups.cells.group, started])))
    cells = groups.cells._replace(group=np.searchsorted(found, groups.cells.group))
    return found, groups._replace(cells=cells, starts=(np.searchsorted(found, started), session))


def _sums(raw: Raw, groups: Groups, count: int) -> _Sums:
    cells = groups.cells
    of_moment = np.zeros((len(OF_MOMENT), count), np.int64)
    for sums, figures in zip(of_moment, cells.figures, strict=True):
        np.add.at(sums, cells.group, figures)
    seen = cells.figures[OF_MOMENT.index("events")] > 0
    members = _Members.of(cells.group[seen], raw.sessions.number[cells.session[seen]], count)
    revenue = cells.revenue.summed(cells.group)
    return _Sums(of_moment, _of_start(raw.sessions, groups, count), revenue, members, _firsts(raw, groups, count))


def _of_start(sessions: Sessions, groups: Groups, count: int) -> Ints:
    group, session = groups.starts
    ones = np.ones(len(session), np.int64)
    columns = (
        ones,
        sessions.is_bounce[session],
        sessions.is_engaged[session],
        sessions.duration_us[session],
        sessions.views[session],
    )
    all_sums = np.zeros((len(OF_START), count), np.int64)
    for sums, column in zip(all_sums, columns, strict=True):
        np.add.at(sums, group, column)
    return all_sums


def _firsts(raw: Raw, groups: Groups, count: int) -> Ints:
    """Visitors, since two sessions may begin at the very moment at which one is first seen."""
    group, session = groups.starts
    is_new = raw.sessions.is_new[session] > 0
    return _Members.of(group[is_new], raw.sessions.number[session[is_new]], count).counts


def _largest_first(sums: _Sums, here: Ints, by_text: Ints) -> Ints:
    """Of the groups HERE those in which something happened: by visitors, events, sessions, and then BY_TEXT."""
    visitors, events, sessions = sums.members.counts[here], sums.of_moment[2, here], sums.of_start[0, here]
    order = here[np.lexsort((by_text, -sessions, -events, -visitors))]
    paid = np.isin(order, list(sums.revenue)) if sums.revenue else np.zeros(len(order), bool)
    return order[sums.of_moment[:, order].any(axis=0) | (sums.of_start[0, order] > 0) | paid]


def _row(sums: _Sums, group: int, value: str) -> Row:
    moment, start = sums.of_moment[:, group].tolist(), sums.of_start[:, group].tolist()
    named = dict(zip((*OF_MOMENT, *OF_START), (*moment, *start), strict=True))
    return Row(
        value=value,
        visitors=int(sums.members.counts[group]),
        new_visitors=int(sums.firsts[group]),
        revenue=Decimal(sums.revenue.get(group, 0)) / SCALE,
        members=sums.members.dumped(group),
        **named,
    )


def named(raw: Raw) -> Named:
    """Every name and label of events in each bucket, the most first; also those that count in no other figure."""
    inside = np.flatnonzero(raw.events.bucket < raw.buckets)
    names, labels = raw.events.columns["name"], raw.events.columns["label"]
    width = max(len(names.values) * len(labels.values), 1)
    pair = _paired(names.codes[inside], len(labels.values), labels.codes[inside])
    group = raw.events.bucket[inside].astype(np.int64) * width + pair
    found, which, counts = np.unique(group, return_inverse=True, return_counts=True)
    session = raw.events.session[inside].astype(np.int64)
    visitors = _Members.of(which, raw.sessions.number[session], len(found)).counts
    sessions = _Members.of(which, session, len(found)).counts
    rows: list[list[NamedRow]] = [[] for _ in range(raw.buckets)]
    for place, key in enumerate(found.tolist()):
        bucket, which_pair = divmod(key, width)
        name, label = divmod(which_pair, len(labels.values))
        figures = int(counts[place]), int(visitors[place]), int(sessions[place])
        rows[bucket].append(NamedRow(*figures, names.values[name], labels.values[label] or None))
    for one in rows:
        one.sort(key=lambda row: (-row.events, row.name, row.label or ""))
    return Named([one[:MOST_NAMES] for one in rows], [len(one) > MOST_NAMES for one in rows])
