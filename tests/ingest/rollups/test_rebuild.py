"""A closed day counted again: what its rows say."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ingest.clock import DAY
from ingest.models import Site
from ingest.rollups import rebuild, recount
from ingest.rollups import rows as aggregates
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.rollups.days import (
    MIDNIGHT,
    NOW,
    YESTERDAY,
    at,
    build,
    daily,
    hours,
    marks,
    members,
    numbers,
    values,
    write,
    yesterday,
)  # fmt: skip

FIGURES = ("visitors", "sessions", "page_views", "events")
TABLES = ("hourly_total", "hourly_events", "hourly_breakdown", "daily_total", "daily_events", "daily_breakdown")


def everything(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """All aggregate rows; when they were built aside."""
    found = {}
    for table in TABLES:
        columns = f"SELECT to_jsonb(t) - 'built_at' - 'took_ms' FROM ingest_{table} t WHERE site_id = %s ORDER BY 1"
        found[table] = rows(columns, site.pk)
    return found


def test_it_works(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.1, visitor_id=1, path="/a"), at(10, visitor_id=2))
    assert build(site).events == 3
    assert daily(site, *FIGURES) == (2, 2, 3, 3)


def test_a_day_knows_its_visitors_by_number(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(10, visitor_id=2))
    build(site)
    assert members(daily(site, "members")) == numbers(site) == {1, 2}


def test_an_hour_has_its_own_total(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.5, visitor_id=2), at(15, visitor_id=1))
    build(site)
    nine, fifteen = MIDNIGHT - DAY + timedelta(hours=9), MIDNIGHT - DAY + timedelta(hours=15)
    assert hours(site, "visitors", "events") == {nine: (2, 2), fifteen: (1, 1)}


def test_an_event_counts_in_its_own_hour_and_a_session_in_that_of_its_start(site: Site) -> None:
    write(site, at(8.9, visitor_id=1), at(9.1, visitor_id=1, path="/a"))
    build(site)
    assert list(hours(site, "page_views", "sessions", "session_views").values()) == [(1, 1, 2), (1, 0, 0)]


def test_a_session_over_midnight_counts_where_it_began(site: Site) -> None:
    write(site, at(-0.1, visitor_id=1), at(0.1, visitor_id=1))
    build(site)
    assert daily(site, *FIGURES) == (1, 0, 1, 1)


def test_bounces_durations_and_new_visitors_are_those_of_sessions(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(10, visitor_id=2), at(10.25, visitor_id=2, path="/a"))
    build(site)
    assert daily(site, "bounces", "duration_us", "session_views", "new_visitors") == (1, 900_000_000, 3, 2)


def test_who_came_the_day_before_is_not_new(site: Site) -> None:
    write(site, at(-5, visitor_id=1), at(9, visitor_id=1))
    build(site)
    assert daily(site, "visitors", "new_visitors") == (1, 0)


def test_time_in_the_foreground_counts_without_being_an_event(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.1, "engagement", visitor_id=1, engaged_ms=12_000))
    build(site)
    assert daily(site, "events", "engaged_ms", "engaged_sessions") == (1, 12_000, 1)


def test_signs_of_life_alone_are_no_session_and_no_visitor(site: Site) -> None:
    write(site, at(9, "engagement", visitor_id=1, engaged_ms=12_000))
    build(site)
    assert daily(site, *FIGURES, "engaged_ms") == (0, 0, 0, 0, 12_000)


def test_revenue_is_exact(site: Site) -> None:
    write(site, *(at(9 + number / 100, "buy", visitor_id=1, value=0.1, currency="EUR") for number in range(3)))
    build(site)
    assert daily(site, "revenue") == (Decimal("0.3000"),)


def test_a_value_without_a_currency_is_no_revenue(site: Site) -> None:
    write(site, at(9, "rate", visitor_id=1, value=5.0))
    build(site)
    assert daily(site, "revenue") == (0,)


def test_the_largest_revenue_fits(site: Site) -> None:
    write(site, *(at(9 + number / 100, "buy", visitor_id=1, value=1e15, currency="EUR") for number in range(20)))
    build(site)
    assert daily(site, "revenue") == (Decimal(20) * 10**15,)


def test_impressions_interactions_and_errors_are_counted(site: Site) -> None:
    names = ("impression", "widget_loaded", "open_chat", "error")
    write(site, *(at(9 + number / 100, name, visitor_id=1) for number, name in enumerate(names)))
    build(site)
    assert daily(site, "impressions", "interactions", "errors") == (2, 1, 1)


def test_a_custom_event_of_that_category_is_an_interaction(site: Site) -> None:
    write(site, at(9, "spin", visitor_id=1, category="interaction"), at(9.1, "spin", visitor_id=1))
    build(site)
    assert daily(site, "interactions", "events") == (1, 2)


# --- Breakdowns -------------------------------------------------------------------------------------------


def test_a_value_of_the_session_covers_its_events(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.1, visitor_id=1), country="DE")
    write(site, at(9, visitor_id=2), country="FR")
    build(site)
    assert values(site, "country", *FIGURES) == {"DE": (1, 1, 2, 2), "FR": (1, 1, 1, 1)}


def test_what_is_not_set_is_a_row(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    build(site)
    assert values(site, "country") == {"": (1,)}


def test_pages_count_their_views_and_the_sessions_that_saw_them(site: Site) -> None:
    write(site, at(9, visitor_id=1, path="/a"), at(9.1, visitor_id=1, path="/b"), at(9.2, visitor_id=1, path="/a"))
    build(site)
    found = values(site, "page", "page_views", "sessions", "session_views", "duration_us")
    assert found == {"/a": (2, 1, 3, 720_000_000), "/b": (1, 1, 3, 720_000_000)}


def test_a_page_that_a_session_sees_after_midnight_is_in_the_session(site: Site) -> None:
    """Views count on their own day, the session on the day of its start."""
    write(site, at(23.9, visitor_id=1, path="/a"), at(24.1, visitor_id=1, path="/late"))
    build(site)
    assert values(site, "page", "page_views", "sessions") == {"/a": (1, 1), "/late": (0, 1)}


def test_names_of_events_that_do_not_count_are_no_values(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.1, "engagement", visitor_id=1, engaged_ms=1_000))
    build(site)
    assert set(values(site, "event")) == {"pageview"}


def test_the_largest_comes_first_and_ties_follow_the_alphabet(site: Site) -> None:
    write(site, *(at(9, visitor_id=number, path=path) for number, path in enumerate(("/b", "/a", "/c", "/c"), 1)))
    build(site)
    assert list(values(site, "page")) == ["/c", "/a", "/b"]


def test_chosen_properties_have_a_breakdown(site: Site) -> None:
    site.property_dimensions = ["plan"]
    write(site, at(9, visitor_id=1, properties={"plan": "pro"}), at(9, visitor_id=2, properties={"other": 1}))
    build(site)
    assert values(site, "property:plan") == {"": (1,), "pro": (1,)}


def test_a_property_may_be_called_like_a_dimension(site: Site) -> None:
    site.property_dimensions = ["page", "name"]
    write(site, at(9, visitor_id=1, path="/a", properties={"page": "x", "name": 7}))
    build(site)
    assert (set(values(site, "property:page")), set(values(site, "page"))) == ({"x"}, {"/a"})
    assert set(values(site, "property:name")) == {"7"}


def test_a_very_long_page_is_no_trouble(site: Site) -> None:
    path = "/" + "ä7Ω" * 1_300
    write(site, at(9, visitor_id=1, path=path))
    build(site)
    assert set(values(site, "page")) == {path}


def test_more_values_than_are_kept_are_left_off_and_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "MOST_VALUES", 2)
    write(site, *(at(9, visitor_id=number, path=path) for number, path in enumerate(("/a", "/b", "/c", "/c"), 1)))
    build(site)
    assert list(values(site, "page")) == ["/c", "/a"]
    assert daily(site, "capped") == (["entry_page", "exit_page", "page"],)


def test_rows_are_the_same_however_many_are_written_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site, *(at(9 + number, visitor_id=number, path=f"/{number % 3}") for number in range(5)))
    written = build(site).rows
    before = everything(site)
    monkeypatch.setattr(aggregates, "MOST_LINES", 2)
    assert build(site).rows == written == sum(map(len, before.values()))
    assert everything(site) == before


# --- Names and labels -------------------------------------------------------------------------------------


def named(site: Site, table: str = "daily") -> list[tuple[Any, ...]]:
    query = (
        f"SELECT name, label, events, visitors, sessions FROM ingest_{table}_events WHERE site_id = %s ORDER BY place"
    )
    return rows(query, site.pk)


def test_a_missing_label_is_one_row(site: Site) -> None:
    write(site, at(9, "buy", visitor_id=1), at(9.1, "buy", visitor_id=2), at(9.2, "buy", visitor_id=2, label="red"))
    build(site)
    assert named(site) == named(site, "hourly") == [("buy", None, 2, 2, 2), ("buy", "red", 1, 1, 1)]


def test_the_table_itself_refuses_a_second_row_without_a_label(site: Site) -> None:
    write(site, at(9, "buy", visitor_id=1))
    build(site)
    again = "INSERT INTO ingest_daily_events SELECT site_id, place + 1, events, visitors, sessions, name, label, day"
    with pytest.raises(Exception, match="daily_events_once"):
        rows(f"{again} FROM ingest_daily_events")


def test_names_include_what_counts_nowhere_else(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(9.1, "web_vital", visitor_id=1))
    build(site)
    assert [name for name, *_ in named(site)] == ["pageview", "web_vital"]


def test_more_names_than_are_kept_are_left_off_and_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "MOST_NAMES", 1)
    write(site, at(9, "a", visitor_id=1), at(9, "b", visitor_id=1), at(9.1, "b", visitor_id=1))
    build(site)
    assert [name for name, *_ in named(site)] == ["b"]
    assert daily(site, "capped") == ([rebuild.CAPPED_NAMES],)


# --- Again ------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(23.9, visitor_id=2), at(24.1, visitor_id=2, path="/b"))
    build(site)
    before = everything(site)
    build(site)
    assert everything(site) == before


def test_what_is_no_longer_there_leaves_no_row(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    build(site)
    rows("DELETE FROM ingest_event RETURNING 1")
    build(site)
    assert not any(everything(site).values())


def test_a_day_takes_its_marks_with_it(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(25, visitor_id=2))
    build(site)
    assert marks(site) == [MIDNIGHT + timedelta(hours=1)]


def test_another_site_is_another_matter(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    write(site, at(9, visitor_id=1))
    write(other, at(9, visitor_id=1), at(9.1, visitor_id=1))
    build(site)
    assert rows("SELECT DISTINCT site_id FROM ingest_daily_total") == [(site.pk,)]
    assert daily(site, "events") == (1,)


def test_a_final_day_stays_as_it_is(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    build(site, is_last=True)
    write(site, at(10, visitor_id=2))
    with pytest.raises(rebuild.Final, match=f"{YESTERDAY}: its raw rows are gone"):
        build(site)
    assert daily(site, "events", "is_final") == (1, True)


def test_an_empty_day_can_be_final(site: Site) -> None:
    build(site, is_last=True)
    assert daily(site, "events", "is_final", "visitors") == (0, True, 0)


def test_breakdowns_by_hour_are_kept_of_yesterday_and_not_of_older_days(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    known, day = KnownSite.of(site), yesterday(site)
    query = "SELECT count(*) > 0 FROM ingest_hourly_breakdown"
    rebuild.day(known, day, NOW)
    assert rows(query) == [(True,)]
    rebuild.day(known, day, NOW + DAY)
    assert rows(query) == [(False,)]
