from django.http import QueryDict

from reports.links import QUESTION, Links


def links(query: str = "") -> Links:
    return Links.of("/sites/k", QueryDict(query))


def test_what_is_not_ours_is_left_behind() -> None:
    assert links("period=7d&utm_source=x&metric=").to() == "/sites/k?period=7d"


def test_one_choice_has_one_address() -> None:
    assert links("metric=sessions&period=7d").to() == links("period=7d&metric=sessions").to()


def test_a_choice_is_changed_and_taken_away() -> None:
    asked = links("period=7d&metric=sessions")
    assert asked.to(metric="visitors") == "/sites/k?period=7d&metric=visitors"
    assert asked.to(metric=None) == "/sites/k?period=7d"


def test_a_new_period_forgets_days_and_interval() -> None:
    asked = links("period=custom&from=2026-11-01&to=2026-11-02&interval=hour&metric=sessions")
    assert asked.for_period("30d") == "/sites/k?period=30d&metric=sessions"


def test_days_take_the_place_of_a_period() -> None:
    address = links("period=30d&interval=week").for_days("2026-11-01", "2026-11-02")
    assert address == "/sites/k?period=custom&from=2026-11-01&to=2026-11-02"


def test_filters_are_added_once_and_removed_one_by_one() -> None:
    asked = links("f=is,country,DE&f=is,page,/docs")
    assert asked.with_filter("is,country,DE") == asked.to()
    assert asked.without_filter("is,country,DE") == "/sites/k?f=is,page,/docs"
    assert asked.without_filters() == "/sites/k"


def test_a_value_cannot_break_out_of_its_parameter() -> None:
    assert links().with_filter("is,page,/a&metric=x#y") == "/sites/k?f=is,page,/a%26metric%3Dx%23y"


def test_another_page_keeps_only_what_means_something_there() -> None:
    asked = links("period=7d&metric=sessions&sources=channels&f=is,country,DE")
    assert asked.at("/csv", QUESTION).to() == "/csv?period=7d&f=is,country,DE"


def test_a_form_carries_the_other_choices_in_hidden_fields() -> None:
    asked = links("period=7d&metric=sessions&f=is,country,DE")
    assert asked.hidden("period") == [("f", "is,country,DE"), ("metric", "sessions")]
