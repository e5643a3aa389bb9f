"""A question about one site's figures, and its answer. Frozen data: nothing here reads a clock or a database.

URL or JSON -> `parse` -> Query -> `plan` -> `sql` -> `run` -> Result -> page, JSON, CSV, e-mail.
Rates are fractions (0.41 is 41 %), durations seconds, instants aware and in UTC, days those of the site's zone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

Interval = Literal["hour", "4h", "day", "week", "month"]
Comparison = Literal["previous", "year"]
Operator = Literal["is", "is_not", "contains", "contains_not"]
Figures = Mapping[str, float | None]  # metric -> value; None: does not apply (a rate of nothing), or not yet


@dataclass(frozen=True)
class Period:
    """Whole local days, as instants [start, end). Only the kind `24h` is 24 hours instead, the running one last.

    Figures are taken from [start, until). `until` is `end`, but in the comparison of a period that is still
    running: there it is the moment that corresponds to now, so that so far is compared with so far.
    """

    kind: str  # a name of `periods.PRESETS`, `custom`, or `compared`
    zone: ZoneInfo
    start: datetime
    end: datetime
    until: datetime
    first_day: date
    last_day: date
    is_partial: bool  # now lies in it: its last bucket is incomplete


@dataclass(frozen=True)
class Bucket:
    """One step of a series, [start, end), cut to its period."""

    start: datetime
    end: datetime
    state: Literal["complete", "running", "future"]
    is_cut_before: bool = False  # the period begins inside this week, month or hour
    is_cut_after: bool = False


@dataclass(frozen=True)
class Filter:
    """One condition: any of the values; several filters must all hold. None is "not set".

    `contains` ignores case and takes every character as itself. The negatives are exact opposites: what is not
    set is not "DE", and does not contain it.
    """

    dimension: str
    operator: Operator
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Order:
    by: str  # a metric or a dimension of the query
    descending: bool = True


@dataclass(frozen=True)
class Query:
    """One question. Without `interval` and `dimensions` it asks for totals alone.

    `interval` asks for a series, `dimensions` for a breakdown; one of the two. `limit`, `offset` and `order`
    are those of a breakdown; its default order is the first metric, largest first, and "not set" last.
    """

    site_id: int
    metrics: tuple[str, ...]
    period: Period
    now: datetime  # read once, where the question is asked
    dimensions: tuple[str, ...] = ()
    interval: Interval | None = None
    filters: tuple[Filter, ...] = ()
    comparison: Comparison | None = None
    order: Order | None = None
    limit: int = 100
    offset: int = 0
    match_weekdays: bool = True  # in the comparison, where the period is long enough and not whole months

    def with_(self, **changes: Any) -> "Query":
        return replace(self, **changes)


@dataclass(frozen=True)
class Row:
    """A line of a breakdown (`key`: one value for each dimension, None is "not set") or a `bucket` of a series.

    `before` is the same of the comparison, like for like: None without one, and where there is nothing to
    compare. `guide` belongs to series: the whole bucket of the comparison, to draw its line by; it differs from
    `before` in the running bucket, where `before` stops at the same clock time, and in future ones.
    """

    values: Figures
    key: tuple[str | None, ...] = ()
    bucket: Bucket | None = None
    before: Figures | None = None
    guide: Figures | None = None
    before_bucket: Bucket | None = None  # the comparison's, which `guide` is of


@dataclass(frozen=True)
class Meta:
    start: datetime
    end: datetime
    zone: str
    tables: tuple[str, ...]  # what was read
    uniques: Literal["exact"]
    total_rows: int  # of the breakdown or series, before limit and offset
    took_ms: float  # in the database, comparison included


@dataclass(frozen=True)
class Result:
    """The answer. `columns` names the row's fields in order: dimensions (or "time"), then metrics.

    A series has a row for every bucket, empty ones too; future ones have None for every metric.
    `compared` is the period of the comparison, None without one.
    """

    query: Query
    columns: tuple[str, ...]
    rows: Sequence[Row]
    totals: Figures
    totals_before: Figures | None
    compared: Period | None
    meta: Meta


class QueryRefused(ValueError):  # noqa: N818  reads as a sentence where it is raised
    """The question cannot be asked. `str()` is a sentence for the asker; `field` names what is wrong in it."""

    def __init__(self, error: str, field: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(error)
        self.error, self.field, self.allowed = error, field, list(allowed)

    def as_json(self) -> dict[str, Any]:
        return {"error": self.error, "field": self.field, "allowed": self.allowed}


class QueryTimeout(TimeoutError):  # noqa: N818
    """The database took longer than REPORTS_QUERY_SECONDS."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"This took longer than {seconds} s. Ask for a shorter range or fewer filters.")
        self.seconds = seconds
