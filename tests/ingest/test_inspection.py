"""What staff see of the big tables, as rows."""

import uuid
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import DataError, OperationalError, connection
from pytest_django import Settings

from ingest import inspection, lease, partitions, queue, writer
from ingest.event import Batch, Event
from ingest.inspection import COUNTS, EVENTS, PAGE_ROWS, SESSIONS, VISITORS, BadMark, Listing
from ingest.models import IngestCount, Site

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
pytestmark = pytest.mark.django_db


def site(name: str = "Shop") -> Site:
    return Site.objects.create(name=name, domain=f"{name.lower()}.example.com")


def store(shop: Site, count: int, seconds: float = 1) -> None:
    """Page views, SECONDS apart from NOON on, each of a visitor of its own."""
    partitions.ensure(writer.connected(), [NOON.date()])
    events = [
        Event(
            id=uuid.uuid4(), name="pageview", ts=NOON.timestamp() + step * seconds, visitor_id=step + 1, path=f"/{step}"
        )
        for step in range(count)
    ]
    writer.write([Batch(site_id=shop.pk, received_at=NOON.timestamp(), events=events)])


def all_of(listing: Listing, site_id: int | None) -> list[inspection.Row]:
    """Page after page to the end."""
    found, mark = [], ""
    while True:
        page = inspection.page(listing, site_id, mark)
        found += page.rows
        if page.after is None:
            return found
        mark = page.after


def column(listing: Listing, name: str, rows: list[inspection.Row]) -> list[object]:
    return [row[listing.columns.index(name)] for row in rows]


def test_it_works() -> None:
    shop = site()
    store(shop, 3)
    page = inspection.page(EVENTS, shop.pk)
    assert column(EVENTS, "path", page.rows) == ["/2", "/1", "/0"]
    assert page.after is None


@pytest.mark.parametrize("listing", [EVENTS, SESSIONS, VISITORS], ids=lambda listing: listing.table)
def test_pages_hold_each_row_once(listing: Listing) -> None:
    shop = site()
    store(shop, 2 * PAGE_ROWS + 1)
    ids = column(listing, "id", all_of(listing, shop.pk))
    assert len(ids) == len(set(ids)) == 2 * PAGE_ROWS + 1


def test_a_full_last_page_has_no_next() -> None:
    shop = site()
    store(shop, PAGE_ROWS)
    assert inspection.page(EVENTS, shop.pk).after is None


def test_rows_of_the_same_moment_are_not_lost_between_pages() -> None:
    shop = site()
    store(shop, PAGE_ROWS + 20, seconds=0)
    assert len(set(column(EVENTS, "id", all_of(EVENTS, shop.pk)))) == PAGE_ROWS + 20


def test_a_page_shows_one_site_alone() -> None:
    shop, blog = site(), site("Blog")
    store(shop, 2)
    store(blog, 1)
    assert len(inspection.page(EVENTS, blog.pk).rows) == 1


def test_a_page_of_events_reads_no_newer_day() -> None:
    """The mark's own condition on the time leaves out the days after it."""
    shop = site()
    store(shop, PAGE_ROWS + 1)
    partitions.ensure(writer.connected(), [NOON.date() + timedelta(days=1)])
    mark = inspection.page(EVENTS, shop.pk).after or ""
    query, values = inspection._statement(EVENTS, shop.pk, inspection._key_in(EVENTS, mark), None)
    with connection.cursor() as cursor:
        cursor.execute(psycopg.sql.SQL("EXPLAIN ") + query, values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert partitions.name_of(NOON.date()) in plan
    assert partitions.name_of(NOON.date() + timedelta(days=1)) not in plan


@pytest.mark.parametrize("mark", ["nonsense", "{}", "[]", '["2026-01-01"]', '["2026-01-01", 1]', '["a\\u0000", "b"]'])
def test_a_mark_of_the_wrong_shape_is_refused(mark: str) -> None:
    with pytest.raises(BadMark):
        inspection.page(EVENTS, 1, mark)


def test_a_mark_of_the_wrong_type_is_the_databases_word() -> None:
    with pytest.raises(DataError):
        inspection.page(EVENTS, 1, '["yesterday-ish", "no-uuid"]')


def test_a_mark_is_a_value_and_no_sql() -> None:
    with pytest.raises(DataError):
        inspection.page(VISITORS, 1, '["1); DROP TABLE ingest_visitor; --"]')
    assert inspection.page(VISITORS, 1).rows == []


def test_a_question_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SECONDS", "0.05")
    with pytest.raises(OperationalError), inspection.limited() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


# --- Counts -----------------------------------------------------------------------------------------------


def count(shop: Site, hours_ago: int, outcome: str, reason: str, events: int) -> None:
    hour = NOON - timedelta(hours=hours_ago)
    IngestCount.objects.create(site_id=shop.pk, hour=hour, outcome=outcome, reason=reason, events=events)


def test_counts_are_listed_from_the_newest_hour_back() -> None:
    shop = site()
    count(shop, 1, "stored", "", 5)
    count(shop, 0, "dropped", "bot", 2)
    rows = inspection.page(COUNTS, shop.pk).rows
    assert [(row[0], *row[2:]) for row in rows] == [
        (NOON, "dropped", "bot", 2),
        (NOON - timedelta(hours=1), "stored", "", 5),
    ]


def test_counts_of_all_sites_are_paged_whole() -> None:
    shops = [site(f"Shop{number}") for number in range(3)]
    for shop in shops:
        for hour in range(40):
            count(shop, hour, "stored", "", 1)
    assert len(set(all_of(COUNTS, None))) == 120


def test_counts_before_the_given_hour_are_left_out() -> None:
    shop = site()
    count(shop, 49, "stored", "", 7)
    count(shop, 1, "stored", "", 5)
    since = NOON - timedelta(hours=48)
    assert column(COUNTS, "events", inspection.page(COUNTS, shop.pk, since=since).rows) == [5]
    assert inspection.totals(shop.pk, since) == [("stored", "", 5)]


def test_totals_add_up_over_hours_and_sites() -> None:
    shop, blog = site(), site("Blog")
    count(shop, 0, "stored", "", 5)
    count(shop, 1, "stored", "", 6)
    count(blog, 0, "dropped", "bot", 2)
    since = NOON - timedelta(hours=48)
    assert inspection.totals(None, since) == [("dropped", "bot", 2), ("stored", "", 11)]
    assert inspection.totals(blog.pk, since) == [("dropped", "bot", 2)]


def test_recent_begins_at_a_full_hour() -> None:
    assert inspection.recent(datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)) == datetime(2026, 11, 19, 12, tzinfo=UTC)


# --- Partitions -------------------------------------------------------------------------------------------


def test_days_are_listed_newest_first_with_their_sizes() -> None:
    partitions.ensure(writer.connected(), [date(2020, 1, 1), date(2020, 1, 2)])
    first, second = inspection.days()[-2:]
    assert (first.day, second.day) == (date(2020, 1, 2), date(2020, 1, 1))
    assert first.is_attached
    assert first.index_bytes >= 16_384  # two empty indexes


def test_the_rows_of_a_day_are_an_estimate_and_unknown_at_first() -> None:
    partitions.ensure(writer.connected(), [date(2020, 1, 1)])
    assert inspection.days()[-1].rows is None
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ingest_event_20200101")
    assert inspection.days()[-1].rows == 0


def test_a_day_that_was_left_detached_is_shown_as_such() -> None:
    partitions.ensure(writer.connected(), [date(2020, 1, 1)])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ingest_event DETACH PARTITION ingest_event_20200101")
    assert [day.is_attached for day in inspection.days() if day.day == date(2020, 1, 1)] == [False]


def test_other_tables_are_no_days() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ingest_event_archive (id int)")
    assert all(isinstance(day.day, date) for day in inspection.days())


# --- The stream -------------------------------------------------------------------------------------------


def test_the_stream_shows_its_writer_and_what_waits() -> None:
    name = lease.owner()
    held = lease.take(writer.connected(), 0, name)
    assert held is not None
    before = inspection.stream()[0].waiting or 0
    queue.publish(Batch(site_id=1, received_at=0, events=[], outcomes={"dropped": {"bot": 1}}))
    state = inspection.stream()[0]
    assert state.waiting == before + 1
    assert (state.shard, state.owner, state.is_held, state.applied) == (0, name, True, held.applied)


def test_a_shard_whose_lease_is_over_has_no_writer() -> None:
    held = lease.take(writer.connected(), 0)
    assert held is not None
    lease.release(writer.connected(), held)
    assert inspection.stream()[0].is_held is False


def test_each_shard_is_shown_even_before_its_first_writer(settings: Settings) -> None:
    settings.INGEST_SHARDS = 3
    assert [(state.shard, state.owner) for state in inspection.stream()] == [(0, ""), (1, ""), (2, "")]


def test_a_redis_that_is_away_is_said_in_a_sentence(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    queue.client.cache_clear()
    try:
        assert inspection.stream()[0].waiting is None
        assert "does not answer" in inspection.stream_shortcomings()[0]
    finally:
        queue.client.cache_clear()


def test_the_redis_of_this_run_has_no_shortcomings() -> None:
    assert settings.REDIS_URL
    assert inspection.stream_shortcomings() == []
