"""The overview's graph and the small lines of the site list, ready to draw: the browser adds no number of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from reports import changes, formats

TICKS = 4  # steps above zero, so five labels
WIDE_LABELS, PHONE_LABELS = 10, 5
SECONDS_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
SHARE_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
CLOCKED = {"hour", "4h"}  # intervals inside a day
SPOKEN = {"4h": "4 hours"}


@dataclass(frozen=True)
class Bucket:
    """One place on the x axis. Times are local to the site; `value` is None where nothing is drawn.

    `until` is set for the running bucket: the clock time up to which both sides are counted. `before` is like
    for like; `guide` is the other side's whole bucket, by which its line is drawn.
    """

    start: datetime
    end: datetime
    value: float | None
    before_start: datetime | None = None
    before: float | None = None
    guide: float | None = None
    until: datetime | None = None
    is_cut: bool = False  # begins or ends inside the interval, because the range does


@dataclass(frozen=True)
class Drawn:
    """What is drawn: a metric's words and format, and the interval of the buckets."""

    label: str
    kind: str
    better: str
    interval: str


# --- The y axis -------------------------------------------------------------------------------------------


def _step(highest: float, kind: str) -> float:
    wanted = highest / TICKS
    if kind == "duration":
        return next((step for step in SECONDS_STEPS if step >= wanted), 86_400.0 * max(1, round(wanted / 86_400)))
    if kind == "percent":
        return next((step for step in SHARE_STEPS if step >= wanted), wanted)
    size = 10 ** (len(str(int(wanted))) - 1) if wanted >= 1 or kind == "count" else 0.1
    steps = (1, 2, 2.5, 5, 10) if size >= 10 else (1, 2, 5, 10)  # a tick of 2.5 visitors would be odd
    return next(step * size for step in steps if step * size >= wanted)


def _tick(value: float, kind: str) -> str:
    if kind == "duration":
        return " ".join(digits + unit for digits, unit in formats.duration_parts(value) if digits != "00")
    if kind == "percent":
        return formats.percent(value).replace(".0%", "%")
    return f"{value:.1f}" if kind == "decimal" and value % 1 else formats.axis(value)


def axis(highest: float, kind: str) -> dict[str, Any]:
    """From zero to the first round number above the highest value, at most five labels."""
    step = _step(highest or 1.0, kind)
    steps = max(1, -int(-highest // step))
    return {
        "max": step * steps,
        "step": step,
        "labels": [_tick(step * number, kind) for number in range(steps + 1)],
    }


# --- The x axis and the words -----------------------------------------------------------------------------


def _last_day(bucket: Bucket) -> date:
    return (bucket.end - timedelta(microseconds=1)).date()


def _label(bucket: Bucket, interval: str, is_one_day: bool) -> str:
    if interval in CLOCKED:
        return formats.clock(bucket.start) if is_one_day else formats.short_day(bucket.start.date())
    return formats.month(bucket.start.date()) if interval == "month" else formats.short_day(bucket.start.date())


def _title(start: datetime, interval: str, last: date, with_year: bool = True) -> str:
    first = start.date()
    if interval in CLOCKED:
        return f"{formats.day(first) if with_year else formats.weekday(first)}, {formats.clock(start)}"
    if interval == "week":
        return formats.days(first, last, with_year)
    if interval == "month":
        return formats.month(first)
    return formats.day(first) if with_year else formats.weekday(first)


def title(bucket: Bucket, interval: str) -> str:
    """Fri 20 Nov 2026, until 08:41: what the tooltip and the table call a bucket."""
    if bucket.until and interval == "day":
        return f"{formats.weekday(bucket.start.date())}, until {formats.clock(bucket.until)}"
    text = _title(bucket.start, interval, _last_day(bucket))
    if bucket.until:
        return f"{text}, until {formats.clock(bucket.until)}"
    if bucket.is_cut and interval in {*CLOCKED, "day"}:
        return f"{text}, in part"
    return text


def before_title(bucket: Bucket, interval: str) -> str:
    if bucket.before_start is None:
        return ""
    last = bucket.before_start.date() + (_last_day(bucket) - bucket.start.date())
    text = _title(bucket.before_start, interval, last, with_year=False)
    return f"{text}, until {formats.clock(bucket.until)}" if bucket.until else text


def _thinned(places: list[int], most: int) -> list[int]:
    every = -(-len(places) // most) if places else 1
    return places[::every]


def _label_places(buckets: Sequence[Bucket], interval: str, is_one_day: bool) -> list[int]:
    """Where a label may stand: at midnights when hours run over several days, else anywhere."""
    if interval in CLOCKED and not is_one_day:
        return [
            number
            for number, bucket in enumerate(buckets)
            if number == 0 or bucket.start.date() != buckets[number - 1].start.date()
        ]
    return list(range(len(buckets)))


def sentence(buckets: Sequence[Bucket], drawn: Drawn, range_words: str) -> str:
    """What a screen reader hears in place of the lines."""
    head = f"{drawn.label} by {SPOKEN.get(drawn.interval, drawn.interval)}, {range_words}"
    known = [bucket for bucket in buckets if bucket.value]
    if not known:
        return f"{head}: none"
    top = max(known, key=lambda bucket: bucket.value or 0)
    place = _title(top.start, drawn.interval, _last_day(top), with_year=False)
    return f"{head}: highest {formats.figure(top.value, drawn.kind, formats.FULL_IN_KPI)} on {place}"


# --- Lines ------------------------------------------------------------------------------------------------


def _change(bucket: Bucket, drawn: Drawn) -> changes.Change:
    return changes.between(bucket.value, bucket.before, drawn.kind, drawn.better)


def _signed(change: changes.Change) -> str:
    sign = {"up": "+", "down": formats.MINUS}.get(change.arrow, "")
    return f"{sign}{change.text}"


def _before(buckets: Sequence[Bucket], drawn: Drawn) -> dict[str, Any] | None:
    if not any(bucket.before_start for bucket in buckets):
        return None
    return {
        "titles": [before_title(bucket, drawn.interval) for bucket in buckets],
        "values": [bucket.guide for bucket in buckets],
        "texts": [formats.figure(bucket.before, drawn.kind, formats.FULL_IN_KPI) for bucket in buckets],
    }


def lines(buckets: Sequence[Bucket], drawn: Drawn, range_words: str, urls: Sequence[str]) -> dict[str, Any]:
    """Everything static/js/chart.js draws. `urls` open what is behind each bucket, or are empty."""
    is_one_day = len({bucket.start.date() for bucket in buckets}) == 1
    places = _label_places(buckets, drawn.interval, is_one_day)
    highest = max((value for bucket in buckets for value in (bucket.value, bucket.guide) if value), default=0)
    running = next((number for number, bucket in enumerate(buckets) if bucket.until), None)
    return {
        "labels": [_label(bucket, drawn.interval, is_one_day) for bucket in buckets],
        "ticks": {"wide": _thinned(places, WIDE_LABELS), "phone": _thinned(places, PHONE_LABELS)},
        "titles": [title(bucket, drawn.interval) for bucket in buckets],
        "values": [bucket.value for bucket in buckets],
        "texts": [formats.figure(bucket.value, drawn.kind, formats.FULL_IN_KPI) for bucket in buckets],
        "before": _before(buckets, drawn),
        "changes": [_signed(_change(bucket, drawn)) for bucket in buckets],
        "running": running,
        "current": "This period",
        "axis": axis(highest, drawn.kind),
        "urls": list(urls),
        "sentence": sentence(buckets, drawn, range_words),
    }


def table_rows(buckets: Sequence[Bucket], drawn: Drawn) -> list[dict[str, Any]]:
    """The same as a table, newest last."""
    return [
        {
            "title": title(bucket, drawn.interval),
            "value": formats.figure(bucket.value, drawn.kind, formats.FULL_IN_KPI),
            "before_title": before_title(bucket, drawn.interval),
            "before": formats.figure(bucket.before, drawn.kind, formats.FULL_IN_KPI),
            "change": _change(bucket, drawn),
        }
        for bucket in buckets
    ]


def csv_table(buckets: Sequence[Bucket], drawn: Drawn) -> tuple[list[str], list[list[object]]]:
    """The table's columns with plain numbers and times that a program reads."""
    has_before = any(bucket.before_start for bucket in buckets)
    head = ["From", "Until", drawn.label] + (["Compared with", f"{drawn.label} before"] if has_before else [])
    rows = []
    for bucket in buckets:
        line: list[object] = [bucket.start.isoformat(), (bucket.until or bucket.end).isoformat(), bucket.value]
        before = bucket.before_start.isoformat() if bucket.before_start else None
        rows.append([*line, before, bucket.before] if has_before else line)
    return head, rows


# --- Small lines ------------------------------------------------------------------------------------------


def spark(values: Sequence[float], width: int = 120, height: int = 30) -> dict[str, str] | None:
    """Paths of a small line and the ground under it; None where there is nothing to draw."""
    if len(values) < 2 or not any(values):
        return None
    top = max(values)
    step = width / (len(values) - 1)
    points = [
        f"{number * step:.1f} {height - 2 - value / top * (height - 4):.1f}" for number, value in enumerate(values)
    ]
    line = "M" + "L".join(points)
    return {"line": line, "area": f"{line}L{width} {height}L0 {height}Z"}
