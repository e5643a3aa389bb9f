"""Data, address, what the page prints. The clock stands still at Friday 20 Nov 2026, 08:41 in Berlin."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.http import QueryDict
from pytest_django import Settings

from ingest.clock import DAY
from ingest.models import DailyTotal, Site
from ingest.models.rollups import Figures
from reports import controls, lists, overview, panels
from reports.asking import Asked, asked
from tests.reports.rows import Sitting, at, sitting, store

NOW = datetime(2026, 11, 20, 7, 41, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Site:
    return Site.objects.create(name="Blog", domain="blog.example.org", timezone="Europe/Berlin")


def ask(site: Site, address: str = "") -> Asked:
    return asked(QueryDict(address), site, f"/sites/{site.key}", NOW)


def panel(site: Site, name: str, address: str = "") -> dict[str, Any]:
    return panels.panel(ask(site, address), panels.BY_NAME[name])


def sat(site: Site, moment: str, visitor: int, **said: Any) -> Sitting:
    return sitting(moment, site_id=site.pk, visitor=visitor, **said)


def sources(site: Site) -> None:
    """Two from Google and one from nowhere this week; one from Google the week before."""
    store(
        sat(site, "2026-11-18 10:00", 1, source="Google", country="DE"),
        sat(site, "2026-11-19 10:00", 2, source="Google", country="AT"),
        sat(site, "2026-11-19 11:00", 3, source="Direct", country=None),
        sat(site, "2026-11-11 10:00", 4, source="Google", country="DE"),
    )


def test_rows_are_ranked_and_printed(berlin: Site) -> None:
    sources(berlin)
    rows = panel(berlin, "sources")["rows"]
    printed = [(row["tile"], row["label"], row["value"], row["share"], row["change"].text) for row in rows]
    assert printed == [("G", "Google", "2", "67%", "100%"), ("–", "Direct", "1", "33%", "new")]


def test_the_largest_bar_is_full_and_none_is_invisible(berlin: Site) -> None:
    store(*(sat(berlin, "2026-11-19 10:00", n, source="Google") for n in range(1, 201)))
    store(sat(berlin, "2026-11-19 10:00", 999, source="Bing"))
    assert [row["bar"] for row in panel(berlin, "sources")["rows"]] == ["100.0", "1.0"]


def test_a_click_filters_and_the_other_click_excludes(berlin: Site) -> None:
    sources(berlin)
    first = panel(berlin, "sources", "period=7d")["rows"][0]
    assert first["url"].endswith("?period=7d&f=is,source,Google")
    assert first["exclude_url"].endswith("?period=7d&f=is_not,source,Google")


def test_what_is_not_known_is_the_last_row_in_grey(berlin: Site) -> None:
    sources(berlin)
    rows = panel(berlin, "locations")["rows"]
    assert [row["label"] for row in rows] == ["Austria", "Germany", "Not known"]
    assert rows[-1]["is_unknown"]
    assert rows[-1]["url"].endswith("f=is,country,")


def test_campaigns_leave_out_sessions_without_one(berlin: Site) -> None:
    store(sat(berlin, "2026-11-19 10:00", 1), sat(berlin, "2026-11-19 10:00", 2, utm_campaign="spring"))
    rows = panel(berlin, "sources", "sources=campaigns")["rows"]
    assert [row["label"] for row in rows] == ["spring"]


def test_pages_can_be_opened_on_the_sites_own_host_only(berlin: Site) -> None:
    store(
        sitting("2026-11-19 10:00", site_id=berlin.pk, visitor=1, path='/a b"c'),
        sitting("2026-11-19 11:00", site_id=berlin.pk, visitor=2, path="javascript:alert(1)"),
    )
    urls = {row["label"]: row["open_url"] for row in panel(berlin, "pages")["rows"]}
    assert urls == {'/a b"c': "https://blog.example.org/a%20b%22c", "javascript:alert(1)": ""}


def test_nine_rows_are_shown_and_the_rest_is_counted(berlin: Site) -> None:
    store(*(sat(berlin, "2026-11-19 10:00", n, source=f"s{n}.example") for n in range(1, 13)))
    found = panel(berlin, "sources")
    assert len(found["rows"]) == 9
    assert found["all_text"] == "All 12 sources"
    assert found["shown"] == "9 of 12 shown"


def test_regions_and_cities_are_offered_only_where_they_are_known(berlin: Site) -> None:
    sources(berlin)
    assert [tab["name"] for tab in located(berlin)] == ["countries"]
    store(sat(berlin, "2026-11-19 12:00", 9, country="DE", city="Berlin"))
    assert [tab["name"] for tab in located(berlin)] == ["countries", "cities"]


def located(site: Site) -> list[dict[str, Any]]:
    question = ask(site)
    slot = next(slot for slot in panels.slots(question) if slot.name == "locations")
    return panels.panel(question, slot)["tabs"]


# --- States -----------------------------------------------------------------------------------------------


def test_an_empty_panel_says_when_nobody_came(berlin: Site) -> None:
    state = panel(berlin, "sources")["state"]
    assert state["title"] == "No sources"
    assert state["text"] == "Nobody came to blog.example.org between 14 and 20 Nov 2026."
    assert state["acts"][0]["label"] == "Show all time"


def test_an_empty_panel_of_all_time_offers_nothing(berlin: Site) -> None:
    state = panel(berlin, "pages", "period=all")["state"]
    assert (state["title"], state["text"]) == ("No pages yet", "Nobody came to blog.example.org yet.")
    assert state["acts"] == []


def test_a_filter_that_leaves_nothing_offers_its_removal(berlin: Site) -> None:
    sources(berlin)
    state = panel(berlin, "sources", "f=is,country,AQ&f=contains,page,/docs")["state"]
    assert state["title"] == "No source matches"
    assert state["text"] == "Country is Antarctica and Page contains /docs leave no visitor."
    assert state["acts"][0]["label"] == "Remove “Page contains /docs”"
    assert state["acts"][0]["url"].endswith("?f=is,country,AQ")


@pytest.fixture
def slow(another: psycopg.Connection, settings: Settings) -> Iterator[None]:
    """Nothing can be read from the tables, and nobody waits for long."""
    settings.REPORTS_QUERY_SECONDS = 0
    with another.transaction():
        another.execute("LOCK TABLE ingest_session, ingest_event IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_panel_that_is_too_slow_says_so(berlin: Site, slow: None) -> None:
    state = panel(berlin, "sources")["state"]
    assert (state["kind"], state["title"]) == ("slow", "This took longer than 0 s")
    assert [act["label"] for act in state["acts"]] == ["Try again"]


@pytest.mark.parametrize(("period", "offers"), [("90d", "Use 30 days"), ("30d", "Use 7 days"), ("year", "Use 30 days")])
def test_a_slow_panel_offers_a_shorter_range(berlin: Site, slow: None, period: str, offers: str) -> None:
    assert panel(berlin, "sources", f"period={period}")["state"]["acts"][1]["label"] == offers


def test_a_panel_that_fails_gives_a_reference_that_is_in_the_log(
    berlin: Site, caplog: pytest.LogCaptureFixture
) -> None:
    found = panels.trouble(ask(berlin), RuntimeError("connection lost"), "sources")
    assert found["state"]["title"] == "These figures could not be loaded"
    assert found["reference"] in caplog.text


# --- Figures ----------------------------------------------------------------------------------------------


def test_a_figure_is_one_sentence_for_a_screen_reader(berlin: Site) -> None:
    sources(berlin)
    cards, error = overview.kpis(ask(berlin))
    assert error is None
    assert cards[0]["sentence"] == "Visitors 3, up 200%, better, from 1"


def test_without_sessions_a_rate_is_a_dash(berlin: Site) -> None:
    cards, _ = overview.kpis(ask(berlin))
    assert [card["parts"] for card in cards] == [[("0", "")]] * 3 + [[("—", "")]] * 3


def test_the_chosen_figure_is_the_one_that_is_drawn(berlin: Site) -> None:
    question = ask(berlin, "metric=pageviews")
    cards, _ = overview.kpis(question)
    assert [card["name"] for card in cards if card["is_chosen"]] == ["pageviews"]
    assert overview.drawn(question).label == "Page views"


def test_an_unknown_figure_is_visitors(berlin: Site) -> None:
    assert ask(berlin, "metric=secrets").metric == "visitors"


def test_the_chart_marks_today_as_running(berlin: Site) -> None:
    sources(berlin)
    chart = overview.figures(ask(berlin, "period=7d&interval=day"))["chart"]
    assert chart["data"]["values"] == [0, 0, 0, 0, 1, 2, 0]
    assert chart["data"]["running"] == 6
    assert chart["data"]["titles"][-1] == "Fri 20 Nov, until 08:41"
    assert [line["label"] for line in chart["legend"]] == ["14 – 20 Nov 2026", "7 – 13 Nov", "Today until 08:41"]


def test_hours_to_come_are_not_drawn_but_their_comparison_is(berlin: Site) -> None:
    store(sat(berlin, "2026-11-19 20:00", 1), sat(berlin, "2026-11-20 06:30", 2))
    data = overview.figures(ask(berlin, "period=today"))["chart"]["data"]
    assert data["values"][7] == 1
    assert data["values"][9:] == [None] * 15
    assert data["before"]["values"][21] == 1


def test_weekdays_are_said_to_be_matched_only_when_they_are(berlin: Site) -> None:
    sources(berlin)
    store(sat(berlin, "2026-09-25 10:00", 9))
    matched = overview.figures(ask(berlin, "period=30d"))["chart"]["legend"][1]["label"]
    exact = overview.figures(ask(berlin, "period=30d&compare=previous_dates"))["chart"]["legend"][1]["label"]
    assert matched == "17 Sep – 16 Oct, weekdays matched"
    assert exact == "22 Sep – 21 Oct"


def test_nothing_is_compared_with_days_before_the_first_event(berlin: Site) -> None:
    store(sat(berlin, "2026-11-11 10:00", 1), sat(berlin, "2026-11-18 10:00", 2))
    month = ask(berlin, "period=30d")
    assert overview.figures(month)["chart"]["legend"][1] == {
        "kind": "note",
        "label": "Collected since Wed 11 Nov 2026, so no comparison",
    }
    assert month.query.comparison == "previous"  # what the reader chose stays chosen
    assert not overview.moved(month)


def test_days_partly_before_the_first_event_are_compared(berlin: Site) -> None:
    store(sat(berlin, "2026-11-11 10:00", 1), sat(berlin, "2026-11-18 10:00", 2))
    assert ask(berlin, "period=7d").since is None


def closed(site: Site, end: str) -> None:
    """The day that ends then was counted for good: its events are gone, or go."""
    ends_at = at(end)
    figures = dict.fromkeys((field.name for field in Figures._meta.get_fields() if field.name != "members"), 0)
    DailyTotal.objects.create(
        site_id=site.pk, day=(ends_at - DAY).date(), starts_at=ends_at - DAY, ends_at=ends_at, built_at=ends_at,
        took_ms=1, is_final=True, **figures,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "is_told"),
    [("period=30d", True), ("period=all", True), ("period=7d", False), ("period=7d&compare=year", True)],
)
def test_a_period_that_reaches_back_beyond_what_is_kept_says_so(berlin: Site, choice: str, is_told: bool) -> None:
    store(sat(berlin, "2026-11-18 10:00", 2))
    closed(berlin, "2026-10-31 23:00")
    told = controls.gone(ask(berlin, choice))
    assert told.startswith("Single events are kept from Sun 1 Nov 2026 on.") if is_told else told == ""


def test_a_site_that_has_all_its_events_says_nothing(berlin: Site) -> None:
    store(sat(berlin, "2026-11-18 10:00", 2))
    assert controls.gone(ask(berlin, "period=all")) == ""


def test_a_day_of_the_chart_opens_that_day(berlin: Site) -> None:
    sources(berlin)
    data = overview.figures(ask(berlin, "period=7d&interval=day"))["chart"]["data"]
    assert data["urls"][4].endswith("?period=custom&from=2026-11-18&to=2026-11-18")


def test_a_site_that_never_had_an_event_leads_to_its_set_up(berlin: Site) -> None:
    state = overview.figures(ask(berlin))["chart"]["state"]
    assert state["title"] == "Waiting for the first event"
    assert state["acts"][0]["url"] == f"/sites/{berlin.key}/setup"


def test_what_moved_names_the_largest_changes_first(berlin: Site) -> None:
    sources(berlin)
    store(*(sat(berlin, "2026-11-12 10:00", n, source="Bing", country="FR") for n in range(10, 15)))
    first = overview.moved(ask(berlin))[0]
    assert (first["label"], first["difference"], first["note"]) == ("/", "−3 visitors", "Page, was 6")


def test_nothing_moved_without_a_comparison(berlin: Site) -> None:
    sources(berlin)
    assert overview.moved(ask(berlin, "compare=none")) == []


def test_a_whole_page_survives_a_database_that_is_too_slow(berlin: Site, slow: None) -> None:
    figures = overview.figures(ask(berlin))
    assert figures["chart"]["state"]["kind"] == "slow"
    assert {panel["state"]["kind"] for panel in figures["panels"]} == {"slow"}
    assert figures["kpis"][0]["parts"] == [("—", "")]


# --- Lists ------------------------------------------------------------------------------------------------


def listed(site: Site, tab: str, address: str = "") -> dict[str, Any]:
    slot, chosen = panels.BY_TAB[tab]
    return lists.context(ask(site, address), slot, chosen, QueryDict(address))


def test_a_list_is_searched(berlin: Site) -> None:
    sources(berlin)
    assert [row["label"] for row in listed(berlin, "sources", "q=goo")["rows"]] == ["Google"]


def test_countries_are_searched_by_name(berlin: Site) -> None:
    sources(berlin)
    assert [row["label"] for row in listed(berlin, "countries", "q=austr")["rows"]] == ["Austria"]


def test_a_search_without_a_hit_says_what_was_looked_for(berlin: Site) -> None:
    sources(berlin)
    state = listed(berlin, "sources", "q=<b>")["state"]
    assert state["text"] == "No source contains “<b>” in 14 – 20 Nov 2026."


def test_a_list_is_sorted_by_any_of_its_figures(berlin: Site) -> None:
    sources(berlin)
    assert [row["label"] for row in listed(berlin, "sources", "sort=visitors")["rows"]] == ["Direct", "Google"]


@pytest.mark.parametrize("address", ["sort=password", "page=0", "page=-1", "page=x", "page=99999999"])
def test_an_odd_order_or_page_is_no_fault(berlin: Site, address: str) -> None:
    sources(berlin)
    assert listed(berlin, "sources", address)["title"] == "Sources"


def test_a_long_list_has_pages(berlin: Site) -> None:
    store(*(sat(berlin, "2026-11-19 10:00", n, source=f"s{n:03}.example") for n in range(1, 61)))
    first, second = listed(berlin, "sources"), listed(berlin, "sources", "page=2")
    assert first["pager"]["words"] == "1 – 50 of 60"
    assert second["pager"]["words"] == "51 – 60 of 60"
    assert second["pager"]["after_url"] == ""


def test_the_csv_of_a_list_holds_plain_numbers(berlin: Site) -> None:
    sources(berlin)
    head, rows = lists.csv_table(ask(berlin), panels.BY_TAB["sources"][1])
    assert head[:3] == ["Source", "Visitors", "Sessions"]
    assert rows == [["Google", 2, 2, 2, 1, 0, 1], ["Direct", 1, 1, 1, 1, 0, 0]]
