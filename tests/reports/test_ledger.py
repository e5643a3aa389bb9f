"""The counts of what arrived, asked by step, period, bot, rule and reason."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from ingest.models import Site
from reports import ledger
from reports.ledger import Bots, Line
from reports.queries import buckets, periods
from reports.queries.query import Bucket, Period, QueryTimeout
from tests.reports.ledger_rows import bot, hit, kept, sample, this_hour
from tests.reports.rows import at

pytestmark = pytest.mark.django_db
NOW = at("2026-11-21 08:41")


def day(zone: str = "UTC") -> Period:
    return periods.of("today", ZoneInfo(zone), NOW)


def hours(zone: str = "UTC") -> tuple[Bucket, ...]:
    return buckets.buckets(day(zone), "hour", NOW)


def around_now() -> Period:
    return periods.of("24h", ZoneInfo("UTC"), datetime.now(UTC))


def test_it_works(site: Site) -> None:
    kept(site, "dropped", "bot", 3, at("2026-11-21 02:00"))
    assert ledger.lines(site.pk, hours()) == [Line(2, "dropped", "bot", 3)]


def test_a_period_ends_before_its_last_instant(site: Site) -> None:
    for moment in ("2026-11-20 23:00", "2026-11-21 00:00", "2026-11-21 23:00", "2026-11-22 00:00"):
        kept(site, "dropped", "bot", 1, at(moment))
    assert sorted(line.step for line in ledger.lines(site.pk, hours())) == [0, 23]
    assert ledger.uncounted(site.pk, day()) == 2


def test_hours_of_one_step_are_one_line(site: Site) -> None:
    kept(site, "rejected", "too_old", 2, at("2026-11-21 01:00"))
    kept(site, "rejected", "too_old", 5, at("2026-11-21 07:00"))
    assert ledger.lines(site.pk, buckets.buckets(day(), "day", NOW)) == [Line(0, "rejected", "too_old", 7)]


def test_where_days_begin_at_half_past_an_hour_counts_for_the_day_it_begins_in(site: Site) -> None:
    kept(site, "dropped", "bot", 1, at("2026-11-20 18:00"))  # 23:30 in Kolkata, the day before
    kept(site, "dropped", "bot", 2, at("2026-11-20 19:00"))  # 00:30
    assert ledger.lines(site.pk, hours("Asia/Kolkata")) == [Line(0, "dropped", "bot", 2)]


def test_another_sites_events_are_not_seen(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    kept(other, "dropped", "bot", 1)
    bot(other, "search", "Googlebot", 1)
    hit(other, 1, 1)
    sample(other, "bot")
    period = around_now()
    assert ledger.uncounted(site.pk, period) == 0
    assert (ledger.bots(site.pk, period), ledger.samples(site.pk, "dropped", "bot")) == ([], [])
    assert ledger.hits(site.pk, period.start, period.end) == {}


def test_what_was_stored_or_repeated_is_not_uncounted(site: Site) -> None:
    for outcome in ("stored", "duplicate", "dropped", "rejected", "quarantined"):
        kept(site, outcome, "", 1)
    assert ledger.uncounted(site.pk, around_now()) == 3


def test_bots_come_most_first_and_only_so_many_of_a_kind(site: Site) -> None:
    for number in range(ledger.MOST_BOTS + 1):
        bot(site, "search", f"bot {number:02d}", number + 2)
    bot(site, "ai-crawler", "gptbot", 1)
    found = ledger.bots(site.pk, around_now())
    most = [f"bot {number:02d}" for number in range(ledger.MOST_BOTS, 0, -1)]
    assert [one.name for one in found] == [*most, "gptbot"]


def test_a_kind_of_bots_has_the_events_of_those_that_are_not_listed_too(site: Site) -> None:
    for number in range(ledger.MOST_BOTS + 5):
        bot(site, "search", f"bot {number:02d}", 2)
    found = ledger.bots(site.pk, around_now())
    assert set(found) == {Bots("search", f"bot {number:02d}", 2, 30) for number in range(ledger.MOST_BOTS)}


def test_hits_of_a_rule_are_added_up_and_say_when_the_last_was(site: Site) -> None:
    hit(site, 7, 2)
    hit(site, 7, 3, this_hour() - timedelta(hours=1))
    period = around_now()
    assert ledger.hits(site.pk, period.start, period.end) == {7: ledger.Hits(7, 5, this_hour())}


def test_samples_are_those_of_the_reason_newest_first(site: Site) -> None:
    sample(site, "bot", minutes=9, name="older")
    sample(site, "bot", minutes=1, name="newer")
    sample(site, "prefetch")
    sample(site, "bot", outcome="rejected")
    assert [one.name for one in ledger.samples(site.pk, "dropped", "bot")] == ["newer", "older"]


def test_no_more_samples_than_are_kept_are_shown(site: Site) -> None:
    for minutes in range(ledger.MOST_SAMPLES + 5):
        sample(site, "bot", minutes=minutes)
    assert len(ledger.samples(site.pk, "dropped", "bot")) == ledger.MOST_SAMPLES


def test_a_question_that_takes_too_long_is_ended(site: Site, settings: Settings, another: psycopg.Connection) -> None:
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_count IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(QueryTimeout):
            ledger.uncounted(site.pk, around_now())
    assert connection.connection.info.transaction_status.name == "INTRANS"
