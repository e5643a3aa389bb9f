"""What a reader asked for: the address of a page, read once, and the answers to it, each fetched once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

import psycopg
from django.db import DatabaseError
from django.http import QueryDict

from ingest.clock import day_of
from ingest.models import Site
from reports import realtime, stored
from reports.links import TABS, Links
from reports.queries import buckets, parse, periods
from reports.queries.answer import compared_of
from reports.queries.query import Interval, Query, QueryTimeout, Result
from reports.queries.run import run_all
from reports.words import FilterWords, of_filter

KPIS = ("visitors", "sessions", "pageviews", "views_per_session", "bounce_rate", "session_duration")
TROUBLE = (QueryTimeout, psycopg.Error, DatabaseError)  # what may keep figures from coming


@dataclass(frozen=True)
class Asked:
    """`query` has the period, comparison and filters; each panel adds its metrics and dimension."""

    site: Site
    query: Query
    links: Links
    interval: Interval
    metric: str  # the KPI that is drawn
    tabs: dict[str, str]  # slot -> chosen tab
    filters: tuple[FilterWords, ...]
    answers: dict[Query, Result | Exception] = field(default_factory=dict, compare=False)

    def fetch(self, queries: Sequence[Query]) -> None:
        """Asks all at once, of one moment. What fails is kept as its trouble and raised where it is needed."""
        missing = [query for query in dict.fromkeys(queries) if query not in self.answers]
        try:
            found: Sequence[Result | Exception] = run_all(missing)
        except TROUBLE as trouble:
            found = [trouble] * len(missing)
        self.answers.update(zip(missing, found, strict=True))

    def ask(self, query: Query) -> Result:
        """The answer; the same question twice in one page costs once. Raises TROUBLE."""
        self.fetch([query])
        answer = self.answers[query]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @cached_property
    def since(self) -> date | None:
        """The day of the first event, where all of the comparison lies before it: nothing was collected then."""
        compared = compared_of(self.query)
        try:
            first = realtime.first_event_at(self.site.pk) if compared else None
        except TROUBLE:  # told where the figures are
            return None
        is_before = first is not None and compared is not None and compared.end <= first
        return day_of(self.query.period.zone, first) if first and is_before else None

    @cached_property
    def events_since(self) -> date | None:
        """The first day with all its single events, where the period or its comparison begins before it."""
        try:
            kept = stored.events_from(self.site.pk)
        except TROUBLE:  # told where the figures are
            return None
        compared = compared_of(self.query)
        start = min(self.query.period.start, compared.start) if compared else self.query.period.start
        is_cut = kept is not None and (start < kept or self.is_all_time)
        return day_of(self.query.period.zone, kept) if kept and is_cut else None

    @property
    def question(self) -> Query:
        """What the figures are asked with: `query`, but without a comparison that nothing was collected in."""
        return self.query.with_(comparison=None) if self.since else self.query

    @property
    def today(self) -> date:
        return day_of(self.query.period.zone, self.query.now)

    @property
    def days(self) -> int:
        return (self.query.period.last_day - self.query.period.first_day).days + 1

    @property
    def local_now(self) -> datetime:
        return self.query.now.astimezone(self.query.period.zone)

    @property
    def is_all_time(self) -> bool:
        return self.query.period.kind == periods.ALL


def asked(told: QueryDict, site: Site, path: str, now: datetime) -> Asked:
    """`path` is the page that the choices lead back to. Raises QueryRefused for what cannot be answered."""
    query = parse.of_url(told, site, now)
    metric = told.get("metric", "")
    return Asked(
        site=site,
        query=query.with_(interval=None),
        links=Links.of(path, told),
        interval=query.interval or buckets.default(query.period),
        metric=metric if metric in KPIS else KPIS[0],
        tabs={name: told.get(name, "") for name in TABS},
        filters=tuple(of_filter(told) for told in query.filters),
    )
