"""How much is stored of a person, before it is handed out or erased."""

from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from ingest import writer
from ingest.people import aside
from ingest.people.find import LOOSE, Person, Who, parts, resolve
from ingest.sites import KnownSite
from ingest.store import plain

SECONDS = 10  # that a look may take while somebody waits

VISITORS = """
SELECT count(*) FILTER (WHERE id = ANY(%(whole)s::bigint[])), min(first_seen), max(last_seen)
FROM ingest_visitor WHERE site_id = %(site)s AND id = ANY(%(whole)s::bigint[])
"""

OF_LOOSE = sql.SQL("SELECT count(*), min(e.ts), max(e.ts) FROM ingest_event e WHERE {loose}").format(loose=LOOSE)


class TooLong(Exception):  # noqa: N818
    def __init__(self) -> None:
        super().__init__(f"Counting took over {SECONDS} s. Handing out and erasing have no limit of time.")


class Found(NamedTuple):
    """How much is stored of a person. `shared`: visitors of whom a part only is theirs, others known by them too."""

    visitors: int = 0
    sessions: int = 0
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None
    shared: int = 0
    others: int = 0  # events set aside, and samples

    def __str__(self) -> str:
        if self.is_nothing:
            return "Nothing is stored of this person."
        days = f", from {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d} (UTC)" if self.first else ""
        shared = f" Of {self.shared:,} more visitors a part is theirs." if self.shared else ""
        others = f" {self.others:,} events set aside or sampled." if self.others else ""
        return f"{self.visitors:,} visitors, {self.sessions:,} sessions, {self.events:,} events{days}.{shared}{others}"

    @property
    def is_nothing(self) -> bool:
        return not (self.visitors or self.sessions or self.events or self.others)


def find(site: KnownSite, who: Who, seconds: int = SECONDS) -> Found:
    """Reads only. Raises TooLong after SECONDS (0: never), and what PostgreSQL says."""
    conn = writer.connected()
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('statement_timeout', %s, true)", (f"{seconds}s",))
            answer = count(conn, resolve(conn, site.id, who))
            conn.execute("SET LOCAL statement_timeout TO DEFAULT")
            return answer
    except psycopg.errors.QueryCanceled as error:
        raise TooLong from error


def count(conn: psycopg.Connection, person: Person) -> Found:
    held = parts(conn, person)
    [visitors, first, last] = plain.fetch(conn, VISITORS, person.values())[0]
    [loose, *ends] = plain.fetch(conn, OF_LOOSE, person.values())[0]
    moments = [moment for part in held for moment in part.span]
    moments += [moment for moment in (first, last, *ends) if moment]
    return Found(
        visitors=visitors,
        sessions=len(held),
        events=loose + sum(part.events for part in held),
        first=min(moments, default=None),
        last=max(moments, default=None),
        shared=len(person.shared),
        others=aside.count(person),
    )
