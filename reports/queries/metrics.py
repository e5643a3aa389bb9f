"""What can be counted: one row each. The SQL is over the columns that `sql` gives every part of a question.

`visitor_id, page_views, events` are what lies in the range; `is_started` says that the row is a session that
began in it, and `is_bounce, seconds, session_views, is_new` describe that session as a whole.
"""

from typing import Literal, LiteralString, NamedTuple

from reports.queries.query import QueryRefused


class Metric(NamedTuple):
    name: str
    label: str
    of: Literal["events", "sessions"]  # whose moment decides: each event's, or the session's start
    sql: LiteralString
    is_additive: bool  # a sum over parts of the range is the figure of the range
    empty: float | None  # of nothing
    format: Literal["count", "percent", "decimal", "duration"]
    better: Literal["up", "down"]
    help: str


ALL = (
    Metric(
        "visitors", "Visitors", "events", "count(DISTINCT visitor_id)", False, 0, "count", "up",
        "Different visitors with at least one event in the range. Each counts once, however long the range.",
    ),
    Metric(
        "sessions", "Sessions", "sessions", "count(*) FILTER (WHERE is_started)", True, 0, "count", "up",
        "Sessions that began in the range. One ends after 30 minutes without an event; midnight does not end it.",
    ),
    Metric(
        "pageviews", "Page views", "events", "coalesce(sum(page_views), 0)::bigint", True, 0, "count", "up",
        "Pages shown in the range, each time anew.",
    ),
    Metric(
        "events", "Events", "events", "coalesce(sum(events), 0)::bigint", True, 0, "count", "up",
        "Page views and all other events in the range, measurements and signs of life left out.",
    ),
    Metric(
        "views_per_session", "Views per session", "sessions",
        "avg(session_views::float8) FILTER (WHERE is_started)", False, None, "decimal", "up",
        "Page views of the sessions that began in the range, divided by these sessions.",
    ),
    Metric(
        "bounce_rate", "Bounce rate", "sessions",
        "avg(is_bounce::int::float8) FILTER (WHERE is_started)", False, None, "percent", "down",
        "Share of the sessions with one page view and nothing else done.",
    ),
    Metric(
        "session_duration", "Session duration", "sessions",
        "avg(seconds) FILTER (WHERE is_started)", False, None, "duration", "up",
        "From the first to the last event of a session, on average. A bounce counts as 0.",
    ),
    Metric(
        "new_visitors", "New visitors", "sessions",
        "count(DISTINCT visitor_id) FILTER (WHERE is_started AND is_new)", True, 0, "count", "up",
        "Visitors whose first session ever began in the range.",
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in ALL}


def metric(name: str, field: str = "metrics") -> Metric:
    """Raises QueryRefused."""
    if name not in METRICS:
        raise QueryRefused(f"{field}={name}: is not a metric. Take {', '.join(METRICS)}.", field, list(METRICS))
    return METRICS[name]
