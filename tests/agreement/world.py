"""A site to which a plan happens."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import psycopg
from django.db import DatabaseError, connection
from django.utils.timezone import now as utc_now

from ingest import channels_past, shields_past, sites, writer
from ingest.event import Batch, Context
from ingest.models import Shield, Site
from ingest.people import erasure
from ingest.people.find import Who
from ingest.rollups import drain
from ingest.rollups.drain import Drained
from ingest.sites import KnownSite
from ingest.store import marks
from tests.agreement import plans
from tests.agreement.events import PROPERTIES
from tests.agreement.interruption import Died, Meanwhile, die, end_connection, interrupted
from tests.agreement.plans import Plan
from tests.agreement.stored import AGGREGATES
from tests.ingest.examples import CHROME

FOR_EVER = 36_500  # days
TURNS = 20
TABLES = (*AGGREGATES, "ingest_rollup_state", "ingest_dirty_hour", "ingest_event", "ingest_session", "ingest_visitor")
AGE = """
UPDATE ingest_session SET source = 'Olden', channel = 'Referral' WHERE site_id = %(site)s AND visitor_id = %(visitor)s
"""
LIVED = """
SELECT e.ts FROM ingest_event e JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
WHERE s.site_id = %(site)s AND s.visitor_id = %(visitor)s
"""


class World:
    """`now` is the clock of the runs; it never goes back."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = plan.now
        self.site = Site.objects.create(
            name="Shop",
            domain="shop.example.com",
            timezone=plan.place.key,
            property_dimensions=list(PROPERTIES),
            events_days=FOR_EVER,
            sessions_days=FOR_EVER,
        )
        sites.forget()

    @property
    def known(self) -> KnownSite:
        found = sites.by_id(self.site.pk)
        assert found is not None
        return found

    def carry_out(self) -> None:
        """All steps, and then runs until nothing is left to be built."""
        self.take(self.plan.steps)
        for _ in range(TURNS):
            done = self.build("hours", timedelta())
            assert done.failed == ()
            if not done.late:
                return
            self.now += timedelta(minutes=1)
        raise AssertionError(f"still {done.late} buckets to build after {TURNS} runs")

    def end(self) -> None:
        """Takes all away of a world that was committed."""
        connection.close()
        for table in TABLES:
            writer.connected().execute(f"DELETE FROM {table} WHERE site_id = %s", (self.site.pk,))
        self.site.delete()

    def take(self, steps: Iterable[plans.Step]) -> None:
        for step in steps:
            self._take(step)

    def _take(self, step: plans.Step) -> None:
        match step:
            case plans.Write():
                self.write(step)
            case plans.Build():
                self.build(step.drain, step.later)
            case plans.Death():
                self.die(step)
            case plans.During():
                self.during(step)
            case plans.Hide():
                self.hide(step)
            case plans.Erase():
                self.erase(step.who)
            case plans.Rezone():
                self.rezone(step.zone)
            case plans.Recompute():
                self.recompute(step.visitor)

    def write(self, step: plans.Write) -> None:
        arrived = max(event.ts for event in step.events)
        sent = Batch(self.site.pk, arrived, step.events, Context(user_agent=CHROME), is_import=step.is_import)
        writer.write([sent])

    def build(self, kind: plans.Drain, later: timedelta) -> Drained:
        self.now += later
        known = sites.as_stored(self.site.pk)
        assert known is not None
        return RUNS[kind](known, self.now)

    def die(self, step: plans.Death) -> None:
        end = die if step.of == "process" else end_connection
        with suppress(Died, psycopg.OperationalError, DatabaseError), interrupted(step.at, end):
            self.build(step.drain, step.later)
        connection.close()

    def during(self, step: plans.During) -> None:
        other = Meanwhile(lambda: self.take(step.steps))
        with interrupted(step.at, other.start):
            self.build(step.drain, step.later)
        other.end()

    def hide(self, step: plans.Hide) -> None:
        rule = Shield.objects.create(site=self.site, kind=step.kind, value=step.value)
        shields_past.apply(self.site, rule, self.plan.place.edges.start)
        rule.delete()

    def erase(self, who: Who) -> None:
        known = sites.as_stored(self.site.pk)
        assert known is not None
        erasure.erase(known, who, erasure.begin(known.id, "owner@example.com"))
        self.now = max(self.now, utc_now())  # no run goes back behind it

    def rezone(self, zone: str) -> None:
        Site.objects.filter(pk=self.site.pk).update(timezone=zone)
        sites.forget()

    def recompute(self, visitor: int) -> None:
        whose, conn, days = {"site": self.site.pk, "visitor": visitor}, writer.connected(), self.plan.place.edges
        conn.execute(AGE, whose)
        marks.dirty(conn, {(self.known, moment) for (moment,) in conn.execute(LIVED, whose).fetchall()})
        self.build("hours", timedelta())
        list(channels_past.recompute(conn, self.known, days.start, days.end))


# Of this site alone: `bench/orders.py` has a product's other sites beside it.
RUNS: dict[plans.Drain, Callable[[KnownSite, datetime], Drained]] = {
    "hours": drain.of_hours,
    "closed_days": drain.of_closed_days,
}
