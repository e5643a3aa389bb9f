import pytest

from ingest.models import Shield
from reports import countries, words
from reports.queries.query import Filter


@pytest.mark.parametrize(
    ("dimension", "value", "text"),
    [
        ("country", "DE", "Germany"),
        ("country", "QQ", "QQ"),
        ("country", None, "Not known"),
        ("device", "phone", "Phone"),
        ("device", "tv", "TV"),
        ("source", "google", "google"),
        ("page", "", "Not known"),
    ],
)
def test_a_value_is_called_as_a_reader_knows_it(dimension: str, value: str | None, text: str) -> None:
    assert words.label(dimension, value) == text


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (Filter("country", "is", ("DE",)), "Country is Germany"),
        (Filter("country", "is", ("DE", "AT")), "Country is Germany or Austria"),
        (Filter("country", "is_not", ("DE", "AT", "CH")), "Country is not Germany, Austria or Switzerland"),
        (Filter("page", "contains_not", ("/docs",)), "Page does not contain /docs"),
        (Filter("utm_campaign", "is", (None,)), "Campaign is Not known"),
    ],
)
def test_a_filter_is_a_sentence(told: Filter, text: str) -> None:
    assert str(words.of_filter(told)) == text


def test_a_filter_keeps_its_form_in_an_address() -> None:
    assert words.of_filter(Filter("page", "is", ("/a,b",))).told == r"is,page,/a\,b"


def test_every_country_has_a_code_of_two_letters_and_a_name_of_its_own() -> None:
    assert all(len(code) == 2 and code.isupper() for code in countries.NAMES)
    assert len(set(countries.NAMES.values())) == len(countries.NAMES) == 250


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("country", "DE", "Country Germany"),
        ("path", "/admin/**", "Path /admin/**"),
        ("address", "203.0.113.0/24", "Address 203.0.113.0/24"),
    ],
)
def test_a_rule_is_told_by_its_kind_and_value(kind: str, value: str, told: str) -> None:
    assert words.of_shield(Shield(kind=kind, value=value)) == told
