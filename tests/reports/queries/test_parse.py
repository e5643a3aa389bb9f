"""Addresses and JSON to questions and back; refusals that say what to do."""

import json
from datetime import date
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from ingest.models import Site
from reports.queries import parse, periods
from reports.queries.dimensions import DIMENSIONS
from reports.queries.filters import OPERATORS
from reports.queries.query import Filter, Order, Query, QueryRefused
from tests.reports.rows import at, sitting, store

NOW = at("2026-11-21 07:41")
SITE = Site(pk=1, name="Shop", domain="shop.example.com", timezone="Europe/Berlin")


def of_url(address: str) -> Query:
    return parse.of_url(QueryDict(address), SITE, NOW)


def of_json(**body: Any) -> Query:
    return parse.of_json({"metrics": ["visitors"], **body}, SITE, NOW)


def test_it_works() -> None:
    query = of_url("period=30d&interval=week&compare=year&f=is,country,DE,AT&f=contains,page,/docs")
    assert query.period == periods.of("30d", SITE.zone, NOW)
    assert (query.interval, query.comparison, query.match_weekdays) == ("week", "year", True)
    assert query.filters == (Filter("country", "is", ("DE", "AT")), Filter("page", "contains", ("/docs",)))


def test_an_empty_address_asks_for_seven_days_and_those_before() -> None:
    query = of_url("")
    assert (query.site_id, query.metrics, query.now) == (1, ("visitors",), NOW)
    assert (query.period.kind, query.comparison, query.interval, query.filters) == ("7d", "previous", None, ())


def test_days_may_come_with_or_without_the_word_custom() -> None:
    days = "from=2026-11-02&to=2026-11-08"
    assert of_url(days) == of_url(f"period=custom&{days}")
    assert (of_url(days).period.first_day, of_url(days).period.last_day) == (date(2026, 11, 2), date(2026, 11, 8))


def test_a_named_period_wins_over_days() -> None:
    assert of_url("period=today&from=2026-11-02&to=2026-11-08").period.kind == "today"


@pytest.mark.django_db
def test_all_time_looks_up_the_first_event() -> None:
    store(sitting("2026-09-30 22:30"))
    assert of_url("period=all").period.first_day == date(2026, 10, 1)


def test_weekdays_can_be_left_unmatched() -> None:
    query = of_url("compare=year_dates")
    assert (query.comparison, query.match_weekdays) == ("year", False)


def test_the_comparison_can_be_left_out() -> None:
    assert of_url("compare=none").comparison is None


@pytest.mark.parametrize(
    ("address", "field", "words"),
    [
        ("period=fortnight", "period", "period=fortnight: is not a period. Take one of today"),
        ("period=custom", "from", "from=: is not a day. Write it like 2026-11-20."),
        ("from=2026-11-31&to=2026-12-01", "from", "from=2026-11-31: is not a day"),
        ("from=2026-11-01", "to", "to=: is not a day"),
        ("from=2026-11-09&to=2026-11-08", "from", "is after to=2026-11-08. Exchange them."),
        ("interval=minute", "interval", "interval=minute: does not suit 2026-11-15 to 2026-11-21"),
        ("period=12mo&interval=hour", "interval", "Take day or week or month."),
        ("compare=everything", "compare", "compare=everything: is not a comparison"),
        ("f=is,country", "f", "f=is,country: must be operator,dimension,value"),
        ("f=is,country,DE\\", "f", "must be operator,dimension,value"),
        ("f=like,country,DE", "filters", "filters=like: is not an operator. Take is, is_not, contains, contains_not."),
        ("f=is,planet,Earth", "filters", "filters=planet: is not a dimension. Take page"),
        ("&".join(["f=is,country,DE"] * 21), "filters", "filters: are 21, must be at most 20."),
        ("f=is,country" + ",DE" * 101, "filters", "filters=country: has 101 values, must be 1 to 100."),
        ("f=is,country," + "x" * 2001, "filters", "a value has 2,001 characters"),
        ("f=is,country,%00", "filters", "or a NUL"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_field(address: str, field: str, words: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        of_url(address)
    assert words in str(refused.value)
    assert refused.value.field == field


def test_a_refusal_has_one_shape_in_json() -> None:
    with pytest.raises(QueryRefused) as refused:
        of_url("period=12mo&interval=hour")
    told = refused.value.as_json()
    assert set(told) == {"error", "field", "allowed"}
    assert told["allowed"] == ["day", "week", "month"]


# --- Filters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("is,country,DE", Filter("country", "is", ("DE",))),
        ("is,country,", Filter("country", "is", (None,))),
        ("is_not,country,DE,,AT", Filter("country", "is_not", ("DE", None, "AT"))),
        (r"is,city,Berlin\, DE", Filter("city", "is", ("Berlin, DE",))),
        (r"contains,page,a\\b", Filter("page", "contains", (r"a\b",))),
    ],
)
def test_a_filter_is_written_with_commas(text: str, wanted: Filter) -> None:
    assert parse.filter_of(text) == wanted
    assert parse.told(wanted) == text


VALUES = st.lists(st.none() | st.text(min_size=1).filter(lambda text: "\0" not in text), min_size=1, max_size=4)
FILTERS = st.builds(
    Filter, st.sampled_from(list(DIMENSIONS)), st.sampled_from(list(OPERATORS)), VALUES.map(tuple)
)  # fmt: skip


@given(FILTERS)
def test_every_filter_is_read_as_it_was_written(told: Filter) -> None:
    assert parse.filter_of(parse.told(told)) == told


@given(st.text())
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        found = parse.filter_of(text)
    except QueryRefused:
        return
    assert parse.filter_of(parse.told(found)) == found


# --- There and back ---------------------------------------------------------------------------------------

QUERIES = st.builds(
    lambda name, filters, comparison, is_matched: Query(
        site_id=1,
        metrics=("visitors",),
        period=periods.of(name, SITE.zone, NOW),
        now=NOW,
        filters=tuple(filters),
        comparison=comparison,
        match_weekdays=is_matched or comparison is None,
    ),
    st.sampled_from([preset.name for preset in periods.PRESETS if preset.name != "all"]),
    st.lists(FILTERS, max_size=3),
    st.sampled_from(["previous", "year", None]),
    st.booleans(),
)


@given(QUERIES)
def test_an_address_is_read_as_it_was_written(query: Query) -> None:
    assert of_url(parse.to_url(query)) == query


@given(QUERIES)
def test_json_is_read_as_it_was_written(query: Query) -> None:
    wanted = query.with_(metrics=("visitors", "bounce_rate"), dimensions=("page",), order=Order("page", False), limit=7)
    assert parse.of_json(json.loads(json.dumps(parse.to_json(wanted))), SITE, NOW) == wanted


def test_days_and_the_interval_stand_in_the_address() -> None:
    query = of_url("from=2026-11-02&to=2026-11-08&interval=hour")
    assert parse.to_url(query) == "period=custom&from=2026-11-02&to=2026-11-08&interval=hour&compare=previous"
    assert parse.of_json(parse.to_json(query), SITE, NOW) == query


# --- JSON -------------------------------------------------------------------------------------------------


def test_json_needs_metrics_only_and_compares_with_nothing() -> None:
    query = of_json()
    assert (query.period.kind, query.comparison, query.limit, query.offset) == ("7d", None, 100, 0)


def test_json_takes_all_that_can_be_asked() -> None:
    query = of_json(
        period="today", dimensions=["page"], filters=[["is", "country", ["DE", None]]], order=["visitors", "asc"],
        limit=5, offset=10, compare="previous",
    )  # fmt: skip
    assert query.filters == (Filter("country", "is", ("DE", None)),)
    assert (query.dimensions, query.limit, query.offset) == (("page",), 5, 10)
    assert query.order == Order("visitors", descending=False)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"metrics": []}, "metrics", "metrics: is empty. Name at least one."),
        ({"metrics": ["visits"]}, "metrics", "metrics=visits: is not a metric. Take visitors, sessions"),
        ({"metrics": "visitors"}, "metrics", "metrics: must be a list."),
        ({"metrics": [1]}, "metrics", "metrics: must be a list of names."),
        ({"metric": ["visitors"]}, "metric", "metric: is not a field. Take metrics"),
        ({"dimensions": ["planet"]}, "dimensions", "dimensions=planet: is not a dimension"),
        ({"dimensions": ["page", "page"]}, "dimensions", "must be at most 4 different ones"),
        ({"dimensions": ["page"], "interval": "day"}, "dimensions", "cannot be asked with an interval"),
        ({"period": 7}, "period", "period: must be text."),
        ({"filters": [["is", "country"]]}, "filters", "filters: must be like"),
        ({"filters": [["is", "country", [1]]]}, "filters", "filters: must be like"),
        ({"filters": "country"}, "filters", "filters: must be a list."),
        ({"filters": [["is", "country", []]]}, "filters", "has 0 values, must be 1 to 100."),
        ({"order": ["page", "desc"]}, "order", "order=page: is not a column of the answer. Take visitors."),
        ({"order": "visitors"}, "order", 'order: must be like ["visitors", "desc"].'),
        ({"limit": 0}, "limit", "limit=0: must be from 1 to 10,000."),
        ({"limit": True}, "limit", "limit: must be a whole number."),
        ({"offset": -1}, "offset", "offset=-1: must be 0 or more."),
        ({"offset": 10**12}, "offset", "offset=1000000000000: must be at most"),
    ],
)
def test_json_that_cannot_be_asked_is_refused_with_the_field(body: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        of_json(**body)
    assert words in str(refused.value)
    assert refused.value.field == field


@pytest.mark.parametrize("body", [None, [], "visitors", 7])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(QueryRefused, match="The body must be a JSON object"):
        parse.of_json(body, SITE, NOW)
