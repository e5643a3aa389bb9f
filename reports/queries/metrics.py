"""What can be counted: one row each.

A statement first makes one row for each visitor and key, of the sums (`ATOMS`) that its metrics need; the
metrics' SQL is over these rows. So a visitor is a row, and nothing has to be sorted to be counted once.
"""

from typing import Literal, LiteralString, NamedTuple

from reports.queries.query import QueryRefused

# Over the rows of a base: `page_views` and `events` lie in the range; `is_started` says that the row is a
# session that began in it, which `is_bounce, seconds, session_views, is_new` describe as a whole.
ATOMS: dict[str, LiteralString] = {
    "page_views": "sum(page_views)",
    "events": "sum(events)",
    "sessions": "count(*) FILTER (WHERE is_started)",
    "bounces": "count(*) FILTER (WHERE is_started AND is_bounce)",
    "seconds": "sum(seconds) FILTER (WHERE is_started)",
    "session_views": "sum(session_views) FILTER (WHERE is_started)",
    "firsts": "count(*) FILTER (WHERE is_started AND is_new)",
}


class Metric(NamedTuple):
    name: str
    label: str
    of: Literal["events", "sessions"]  # whose moment decides: each event's, or the session's start
    atoms: tuple[str, ...]
    sql: LiteralString
    is_additive: bool  # a sum over parts of the range is the figure of the range
    empty: float | None  # of nothing
    format: Literal["count", "percent", "decimal", "duration"]
    better: Literal["up", "down"]
    help: str


def _sum(atom: LiteralString) -> LiteralString:
    return "coalesce(sum(" + atom + "), 0)::bigint"


def _per_session(atom: LiteralString) -> LiteralString:
    return "sum(" + atom + ")::float8 / nullif(sum(sessions), 0)::float8"


ALL = (
    Metric(
        "visitors", "Visitors", "events", (), "count(*)", False, 0, "count", "up",
        "Different visitors with at least one event in the range. Each counts once, however long the range.",
    ),
    Metric(
        "sessions", "Sessions", "sessions", ("sessions",), _sum("sessions"), True, 0, "count", "up",
        "Sessions that began in the range. One ends after 30 minutes without an event; midnight does not end it.",
    ),
    Metric(
        "pageviews", "Page views", "events", ("page_views",), _sum("page_views"), True, 0, "count", "up",
        "Pages shown in the range, each time anew.",
    ),
    Metric(
        "events", "Events", "events", ("events",), _sum("events"), True, 0, "count", "up",
        "Page views and all other events in the range, measurements and signs of life left out.",
    ),
    Metric(
        "views_per_session", "Views per session", "sessions", ("sessions", "session_views"),
        _per_session("session_views"), False, None, "decimal", "up",
        "Page views of the sessions that began in the range, divided by these sessions.",
    ),
    Metric(
        "bounce_rate", "Bounce rate", "sessions", ("sessions", "bounces"),
        _per_session("bounces"), False, None, "percent", "down",
        "Share of the sessions with one page view and nothing else done.",
    ),
    Metric(
        "session_duration", "Session duration", "sessions", ("sessions", "seconds"),
        _per_session("seconds"), False, None, "duration", "up",
        "From the first to the last event of a session, on average. A bounce counts as 0.",
    ),
    Metric(
        "new_visitors", "New visitors", "sessions", ("firsts",),
        "count(*) FILTER (WHERE firsts > 0)", True, 0, "count", "up",
        "Visitors whose first session ever began in the range.",
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in ALL}


def metric(name: str, field: str = "metrics") -> Metric:
    """Raises QueryRefused."""
    if name not in METRICS:
        raise QueryRefused(f"{field}={name}: is not a metric. Take {', '.join(METRICS)}.", field, list(METRICS))
    return METRICS[name]
