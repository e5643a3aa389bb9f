"""A site's history of any size, written straight into the tables as the writer would have left them.

For the other scripts: `make(site, days=30, sessions=2_000_000, until=now)`. The same seed gives the same history.
Sessions have five events on average; 60 % are of new visitors; pages, sources, countries and the like follow Zipf's
law, so that a few are frequent and many are rare.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest import partitions
from ingest.models import Site
from ingest.writer import connected

Ints = NDArray[np.int64]
CHUNK = 50_000  # sessions
NOT_SET = r"\N"
MICROSECONDS = 1_000_000
SPREAD = 0x9E3779B97F4A7C15  # odd: ids in no order, each once

EVENT = (
    "site_id", "id", "ts", "session_id", "visitor_id", "name", "label", "hostname", "path", "title", "properties",
    "value", "currency", "batch_id", "received_at", "processed_at",
)  # fmt: skip
SESSION = (
    "site_id", "id", "visitor_id", "is_derived", "is_new_visitor", "seen_from", "seen_until", "started_at",
    "last_activity", "first_event", "entry_at", "entry_page", "exit_at", "exit_page", "hostname", "referrer", "source",
    "channel", "utm_source", "utm_medium", "utm_campaign", "device", "browser", "browser_version", "os", "os_version",
    "screen", "language", "country", "region", "city", "page_views", "events", "interactive", "impressions",
    "interactions", "errors", "engaged_ms", "scroll", "revenue", "is_bounce",
)  # fmt: skip
VISITOR = ("site_id", "id", "number", "first_seen", "last_seen")
HOURS = np.array([9, 6, 4, 3, 3, 5, 12, 24, 38, 48, 54, 56, 58, 54, 52, 50, 50, 52, 56, 62, 66, 58, 40, 20], float)


class Vocabulary(NamedTuple):
    """Texts, the most frequent first."""

    texts: list[str]

    def drawn(self, random: np.random.Generator, count: int) -> list[str]:
        weights = 1 / np.arange(1, len(self.texts) + 1)
        places = random.choice(len(self.texts), count, p=weights / weights.sum())
        return [self.texts[place] for place in places]


PAGES = Vocabulary([f"/section-{number % 40}/page-{number}" for number in range(2_000)])
SOURCES = Vocabulary(["Direct", "Google", *(f"source{number}.example" for number in range(200))])
COUNTRY_CODES = [a + b for a in "DEFGIJKLNPSU" for b in "EKRSTZ"]
PLACES = Vocabulary(  # country, region, city: a city lies in one country
    [
        f"{code}\tRegion {n % (2 * len(COUNTRY_CODES))}\tCity {n}"
        for n in range(1_000)
        for code in (COUNTRY_CODES[n % len(COUNTRY_CODES)],)
    ]
)
BROWSERS = Vocabulary(
    [f"{name}\t{version}" for version in range(140, 120, -1) for name in ("Chrome", "Safari", "Edge")]
)
SYSTEMS = Vocabulary(["Windows\t11", "iOS\t18", "Android\t15", "macOS\t15", "Linux\t", "Windows\t10", "iOS\t17"])
DEVICES = Vocabulary(["mobile", "desktop", "tablet"])
SCREENS = Vocabulary([f"{360 + 40 * number}x{640 + 20 * number}" for number in range(40)])
LANGUAGES = Vocabulary([f"{a}-{b}" for a in ("de", "en", "fr", "es") for b in ("DE", "US", "FR", "ES", "GB")])
CAMPAIGNS = Vocabulary([f"campaign-{number}" for number in range(60)])
LABELS = Vocabulary([f"button-{number}" for number in range(20)])


def make(site: Site, *, days: int, sessions: int, until: datetime, seed: int = 1) -> int:
    """Returns the number of events. Raises psycopg.Error."""
    conn, random = connected(), np.random.default_rng(seed)
    conn.execute("SET TIME ZONE 'UTC'")
    first = until - timedelta(days=days)
    partitions.ensure(conn, (first.date() + timedelta(days=number) for number in range(days + 2)))
    starts = np.sort(_starts(random, sessions, first, days))
    is_new, number = _visitors(random, sessions)
    events = 0
    for low in range(0, sessions, CHUNK):
        rows = slice(low, min(low + CHUNK, sessions))
        block = Block(site.pk, low, starts[rows], number[rows], is_new[rows], random, until)
        _copy(conn, "ingest_event", EVENT, block.events())
        _copy(conn, "ingest_session", SESSION, block.sessions())
        events += len(block.ts)
    _copy(conn, "ingest_visitor", VISITOR, _visitor_lines(site.pk, starts, number))
    conn.execute("INSERT INTO ingest_visitor_number VALUES (%s, %s)", (site.pk, int(number.max())))
    conn.execute("VACUUM ANALYZE ingest_session, ingest_visitor")
    conn.execute("ANALYZE ingest_event")
    return events


def _starts(random: np.random.Generator, count: int, first: datetime, days: int) -> Ints:
    """Microseconds since 1970, more of them in the day than at night; none in the last twenty minutes."""
    hour = random.choice(24, count, p=HOURS / HOURS.sum())
    day = random.integers(0, days, count)
    seconds = random.random(count) * (3600 - 1200 / 24)
    begin = int(first.timestamp()) * MICROSECONDS
    return begin + ((day * 24 + hour) * 3600 * MICROSECONDS) + (seconds * MICROSECONDS).astype(np.int64)


def _visitors(random: np.random.Generator, sessions: int) -> tuple[NDArray[np.bool_], Ints]:
    """Of each session whether its visitor is new, and the visitor's number: new ones count up."""
    is_new = random.random(sessions) < 0.6
    is_new[0] = True
    last = np.cumsum(is_new)
    back = (random.exponential(sessions / 10, sessions)).astype(np.int64) % last
    return is_new, np.where(is_new, last, last - back)


def _visitor_lines(site_id: int, starts: Ints, number: Ints) -> Iterator[str]:
    count = int(number.max())
    seen_first, seen_last = np.full(count + 1, starts[-1]), np.zeros(count + 1, np.int64)
    np.minimum.at(seen_first, number, starts)
    np.maximum.at(seen_last, number, starts)
    for one, first, last in zip(range(1, count + 1), _times(seen_first[1:]), _times(seen_last[1:]), strict=True):
        yield f"{site_id}\t{_id(one)}\t{one}\t{first}\t{last}"


def _id(number: int) -> int:
    return ((number * SPREAD) & ((1 << 64) - 1)) - (1 << 63)


def _uuid(number: int) -> str:
    return f"{(number * SPREAD) & ((1 << 64) - 1):016x}{number:016x}"


def _times(moments: Ints) -> list[str]:
    return np.datetime_as_string(moments.astype("datetime64[us]")).tolist()


class Block:
    """Some sessions that follow each other, with their events."""

    def __init__(
        self, site_id: int, first: int, starts: Ints, number: Ints, is_new: NDArray[np.bool_],
        random: np.random.Generator, until: datetime,
    ) -> None:  # fmt: skip
        self.site_id, self.first, self.random = site_id, first, random
        self.number, self.is_new = number, is_new
        count = len(starts)
        self.sizes = np.where(random.random(count) < 0.42, 1, 2 + random.geometric(1 / 5.9, count))
        self.owner = np.repeat(np.arange(count), self.sizes)
        self.begin = np.concatenate(([0], np.cumsum(self.sizes)))
        gaps = (random.exponential(40, len(self.owner)) * MICROSECONDS).astype(np.int64)
        gaps[self.begin[:-1]] = 0
        within = np.cumsum(gaps)
        # What would lie beyond the end is pressed before it, still one after the other.
        left = self.begin[1:][self.owner] - np.arange(len(self.owner))
        latest = int(until.timestamp()) * MICROSECONDS - left
        self.ts = np.minimum(starts[self.owner] + within - within[self.begin[:-1]][self.owner], latest)
        self.is_view = random.random(len(self.owner)) < 0.85
        self.is_view[self.begin[:-1]] = True
        self.pages = PAGES.drawn(random, len(self.owner))
        self.is_sale = ~self.is_view & (random.random(len(self.owner)) < 0.1)

    def events(self) -> Iterator[str]:
        times, labels = _times(self.ts), LABELS.drawn(self.random, len(self.ts))
        properties = json.dumps({"plan": "pro", "step": 3})
        for place, owner in enumerate(self.owner.tolist()):
            is_view, page = self.is_view[place], self.pages[place]
            name = "pageview" if is_view else "purchase" if self.is_sale[place] else "add_to_cart"
            worth = "49.9\tEUR" if self.is_sale[place] else f"{NOT_SET}\t{NOT_SET}"
            label, title = (NOT_SET, f"A page of the shop {page}") if is_view else (labels[place], NOT_SET)
            yield (
                f"{self.site_id}\t{self._event_id(place)}\t{times[place]}\t{_id(self.first + owner + 1)}\t"
                f"{_id(int(self.number[owner]))}\t{name}\t{label}\tshop.example.com\t{page}\t{title}\t"
                f"{NOT_SET if is_view else properties}\t{worth}\t{_uuid(place)}\t{times[place]}\t{times[place]}"
            )

    def _event_id(self, place: int) -> str:
        return _uuid((self.first << 8) + place + (self.site_id << 44))

    def sessions(self) -> Iterator[str]:
        count = len(self.sizes)
        drawn = [one.drawn(self.random, count) for one in (SOURCES, DEVICES, BROWSERS, SYSTEMS, SCREENS, LANGUAGES)]
        places, campaigns = PLACES.drawn(self.random, count), CAMPAIGNS.drawn(self.random, count)
        tagged = self.random.random(count) < 0.15
        times = _times(self.ts)
        for row in range(count):
            source, device, browser, system, screen, language = (one[row] for one in drawn)
            utm = f"newsletter\temail\t{campaigns[row]}" if tagged[row] else f"{NOT_SET}\t{NOT_SET}\t{NOT_SET}"
            referrer = NOT_SET if source == "Direct" else f"https://{source}/"
            channel = "Direct" if source == "Direct" else "Referral"
            yield (
                f"{self.site_id}\t{_id(self.first + row + 1)}\t{_id(int(self.number[row]))}\tf\t"
                f"{'t' if self.is_new[row] else 'f'}\t{self._span(row, times)}\tshop.example.com\t{referrer}\t"
                f"{source}\t{channel}\t{utm}\t{device}\t{browser}\t{system}\t{screen}\t{language}\t"
                f"{places[row]}\t{self._figures(row)}"
            )

    def _span(self, row: int, times: list[str]) -> str:
        """From `seen_from` to `exit_page`."""
        low, high = int(self.begin[row]), int(self.begin[row + 1]) - 1
        last_view = low + int(np.flatnonzero(self.is_view[low : high + 1])[-1])
        first, last = times[low], times[high]
        return (
            f"{first}\t{last}\t{first}\t{last}\t{self._event_id(low)}\t{first}\t{self.pages[low]}\t"
            f"{times[last_view]}\t{self.pages[last_view]}"
        )

    def _figures(self, row: int) -> str:
        here = slice(int(self.begin[row]), int(self.begin[row + 1]))
        size, views = int(self.sizes[row]), int(self.is_view[here].sum())
        revenue = round(49.9 * int(self.is_sale[here].sum()), 4)
        bounce = "t" if size == 1 else "f"
        return f"{views}\t{size}\t{size - views}\t0\t0\t0\t0\t0\t{revenue}\t{bounce}"


def _copy(conn: psycopg.Connection, table: str, columns: tuple[str, ...], lines: Iterator[str]) -> None:
    statement: Any = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        held: list[str] = []
        for line in lines:
            held.append(line)
            if len(held) == 2_000:
                copy.write("\n".join(held) + "\n")
                held.clear()
        if held:
            copy.write("\n".join(held) + "\n")
