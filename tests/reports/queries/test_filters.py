"""One condition in SQL: true or false, its values always parameters."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.queries.filters import OPERATORS, Values, check, condition
from reports.queries.query import Filter, Operator, QueryRefused
from tests.reports import recount

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
SHORT = st.sampled_from(["a", "A", "%", "_", "\\", "a%b", "ab", "a_b", "'", '"', "{x}", "%s", "%(v0)s"])
VALUE = st.none() | SHORT | TEXT.filter(str.isascii)


def holds(told: Filter, value: str | None) -> Any:
    """What PostgreSQL says of a session with this country."""
    values = Values()
    text = condition(told, "s", values).as_string()
    with connection.cursor() as cursor:
        known: dict[str, Any] = {**values, "country": value}
        cursor.execute(f"SELECT {text} FROM (SELECT %(country)s::text AS country) s", known)
        [row] = cursor.fetchall()
    return row[0]


@pytest.mark.django_db
def test_it_works() -> None:
    assert holds(Filter("country", "is", ("DE", "AT")), "DE") is True


def test_values_never_stand_in_the_statement() -> None:
    values = Values()
    text = condition(Filter("country", "is", ("secret",)), "s", values).as_string()
    assert "secret" not in text
    assert values == {"v0": ["secret"]}


def test_every_value_has_a_name_of_its_own() -> None:
    values = Values()
    names = [values.put(value).as_string() for value in (1, 2)]
    assert (names, values) == (["%(v0)s", "%(v1)s"], {"v0": 1, "v1": 2})


@pytest.mark.django_db
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(OPERATORS)), st.lists(VALUE, min_size=1, max_size=3), VALUE)
def test_it_says_what_a_reader_expects(operator: Operator, values: list[str | None], value: str | None) -> None:
    told = Filter("country", operator, tuple(values))
    assert holds(told, value) is recount.passes(told, value)


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, "", "DE", "%"])
@pytest.mark.parametrize(("positive", "negative"), [("is", "is_not"), ("contains", "contains_not")])
def test_the_negative_is_the_exact_opposite(positive: Operator, negative: Operator, value: str | None) -> None:
    for values in (("DE",), (None,), ("D", None)):
        assert holds(Filter("country", positive, values), value) is not holds(
            Filter("country", negative, values), value
        )


@pytest.mark.django_db
def test_empty_text_is_not_set() -> None:
    assert holds(Filter("country", "is", (None,)), "") is True


@pytest.mark.parametrize("value", ["x" * 2_000, "\n", "ü"])
def test_any_text_of_a_sane_length_is_a_value(value: str) -> None:
    check(Filter("page", "is", (value,)))


@pytest.mark.parametrize("values", [(), ("x",) * 101, ("x" * 2_001,), ("a\0b",)])
def test_values_that_make_no_sense_are_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(QueryRefused, match="filters=page: "):
        check(Filter("page", "is", values))
