"""Figures, changes and dates as a reader sees them. Pure functions: a value in, text out.

Shares and rates are fractions (0.41 is 41%), durations are seconds, dates are local to the site.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

MINUS, DASH, NOTHING = "−", " – ", "—"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FULL_IN_KPI = 9_999_999
FULL_IN_ROW = 999_999
MOST_PERCENT = 999

Part = tuple[str, str]  # digits and the unit drawn smaller behind them


def _significant(value: float, digits: int = 3) -> str:
    """Three digits in all: 12.8, 1.28, 128."""
    decimals = max(0, digits - len(str(int(abs(value)))))
    return f"{value:.{decimals}f}"


def _short(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return _significant(value / size) + letter
    return f"{value:,.0f}"


def count(value: float | None, full_to: int = FULL_IN_ROW) -> str:
    if value is None:
        return NOTHING
    text = f"{round(value):,}" if abs(value) <= full_to else _short(value)
    return text.replace("-", MINUS)


def axis(value: float) -> str:
    """A tick: 500, 20k, 1.2M; no digit more than it needs."""
    text = _short(value)
    if "." not in text:
        return text
    digits, letter = text[:-1], text[-1]
    return digits.rstrip("0").rstrip(".") + letter


def percent(share: float | None) -> str:
    """`share` is a fraction. One decimal below ten percent, none above."""
    if share is None:
        return NOTHING
    value = share * 100
    if value == 0:
        return "0%"
    if abs(value) < 0.1:
        return "<0.1%"
    if abs(value) > MOST_PERCENT:
        return f">{MOST_PERCENT}%"
    text = f"{value:.1f}" if abs(round(value, 1)) < 10 else f"{value:.0f}"
    return text.replace("-", MINUS) + "%"


def points(difference: float) -> str:
    """The difference of two rates (fractions) in percentage points, without a sign."""
    value = abs(difference) * 100
    text = f"{value:.1f}" if round(value, 1) < 1 else f"{value:.0f}"
    return f"{text} pt" if text == "1" else f"{text} pts" if float(text) else "0 pts"


def decimal(value: float | None) -> str:
    return NOTHING if value is None else _significant(value).replace("-", MINUS)


def duration_parts(seconds: float | None) -> list[Part]:
    if seconds is None:
        return [(NOTHING, "")]
    if 0 < seconds < 0.9995:
        return [(f"{seconds * 1000:.0f}", " ms")]
    whole = round(seconds)
    if whole < 60:
        return [(str(whole), "s")]
    if whole < 3600:
        return [(str(whole // 60), "m"), (f"{whole % 60:02d}", "s")]
    minutes = round(whole / 60)
    return [(str(minutes // 60), "h"), (f"{minutes % 60:02d}", "m")]


def joined(parts: Iterable[Part]) -> str:
    return " ".join(digits + unit for digits, unit in parts)


def duration(seconds: float | None) -> str:
    return joined(duration_parts(seconds))


def figure_parts(value: float | None, kind: str) -> list[Part]:
    """The large figure of a KPI, its units apart. `kind` is the format of a metric."""
    if kind == "duration":
        return duration_parts(value)
    text = figure(value, kind, FULL_IN_KPI)
    return [(text[:-1], "%")] if text.endswith("%") else [(text, "")]


def figure(value: float | None, kind: str, full_to: int = FULL_IN_ROW) -> str:
    """A value in the words of its metric's format: count, percent, duration or decimal."""
    if kind == "count":
        return count(value, full_to)
    return {"percent": percent, "duration": duration, "decimal": decimal}[kind](value)


# --- Dates ------------------------------------------------------------------------------------------------


def day(value: date) -> str:
    """Fri 20 Nov 2026"""
    return f"{WEEKDAYS[value.weekday()]} {value.day} {MONTHS[value.month - 1]} {value.year}"


def weekday(value: date) -> str:
    """Fri 20 Nov"""
    return f"{WEEKDAYS[value.weekday()]} {short_day(value)}"


def short_day(value: date) -> str:
    """11 Nov"""
    return f"{value.day} {MONTHS[value.month - 1]}"


def month(value: date) -> str:
    """Nov 2026"""
    return f"{MONTHS[value.month - 1]} {value.year}"


def clock(value: datetime) -> str:
    """08:41, in the zone that `value` carries."""
    return f"{value.hour:02d}:{value.minute:02d}"


def days(first: date, last: date, with_year: bool = True) -> str:
    """1 – 20 Nov 2026; what both ends share is said once."""
    year = f" {last.year}" if with_year else ""
    if first == last:
        return day(first) if with_year else weekday(first)
    if first.year != last.year:
        return f"{short_day(first)} {first.year}{DASH}{short_day(last)} {last.year}"
    if first.month != last.month:
        return f"{short_day(first)}{DASH}{short_day(last)}{year}"
    return f"{first.day}{DASH}{short_day(last)}{year}"


def within(first: date, last: date) -> str:
    """In a sentence: between 1 and 20 Nov 2026, on Fri 20 Nov 2026."""
    if first == last:
        return f"on {day(first)}"
    return f"between {days(first, last).replace(DASH, ' and ')}"


def ago(then: datetime, now: datetime) -> str:
    """Relative below an hour, else the local time: "4 s ago", "12 min ago", "08:41", "Fri 20 Nov, 08:41"."""
    passed = now - then
    if passed < timedelta(minutes=1):
        return f"{max(0, int(passed.total_seconds()))} s ago"
    if passed < timedelta(hours=1):
        return f"{int(passed.total_seconds()) // 60} min ago"
    local = then.astimezone(now.tzinfo)
    if local.date() == now.date():
        return clock(local)
    return f"{weekday(local.date())}, {clock(local)}"
