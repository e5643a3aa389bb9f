import pytest

from reports import changes


@pytest.mark.parametrize(
    ("now", "before", "kind", "better", "text", "meaning"),
    [
        (112, 100, "count", "up", "12%", "better"),
        (95.4, 100, "count", "up", "4.6%", "worse"),
        (1200, 100, "count", "up", ">999%", "better"),
        (100, 100, "count", "up", "0%", "same"),
        (0, 0, "count", "up", "0%", "same"),
        (5, 0, "count", "up", "new", "new"),
        (0.41, 0.44, "percent", "down", "3 pts", "better"),
        (0.44, 0.41, "percent", "down", "3 pts", "worse"),
        (0.44, 0.44001, "percent", "down", "0%", "same"),
        (0.2, 0, "percent", "up", "20 pts", "better"),
        (134, 127, "duration", "up", "5.5%", "better"),
        (134, 127, "duration", "neither", "5.5%", "same"),
    ],
)
def test_a_change_says_its_size_and_meaning(
    now: float, before: float, kind: str, better: str, text: str, meaning: str
) -> None:
    change = changes.between(now, before, kind, better)
    assert (change.text, change.meaning) == (text, meaning)


def test_a_change_is_read_aloud_in_words() -> None:
    assert changes.between(18427, 16452, "count").words == "up 12%, better"
    assert changes.between(0.44, 0.41, "percent", "down").words == "up 3 pts, worse"


@pytest.mark.parametrize(("now", "before"), [(5, None), (None, 5), (None, None)])
def test_without_a_comparison_there_is_no_change(now: float | None, before: float | None) -> None:
    assert not changes.between(now, before, "count")


def test_an_arrow_follows_the_figure_and_not_its_meaning() -> None:
    assert changes.between(0.3, 0.4, "percent", "down").arrow == "down"
    assert changes.between(5, 0, "count").arrow == ""
