from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reports import charts
from reports.charts import Bucket, Drawn

BERLIN = ZoneInfo("Europe/Berlin")
VISITORS = Drawn(label="Visitors", kind="count", better="up", interval="day")
HOURLY = Drawn(label="Visitors", kind="count", better="up", interval="hour")


def day(number: int, value: float | None = 0, **more: object) -> Bucket:
    start = datetime(2026, 11, number, tzinfo=BERLIN)
    return Bucket(start=start, end=start + timedelta(days=1), value=value, **more)  # type: ignore[arg-type]


def hours(first_day: int, count: int) -> list[Bucket]:
    start = datetime(2026, 11, first_day, tzinfo=BERLIN)
    return [Bucket(start + timedelta(hours=n), start + timedelta(hours=n + 1), float(n)) for n in range(count)]


@pytest.mark.parametrize(
    ("highest", "kind", "labels"),
    [
        (1894, "count", ["0", "500", "1k", "1.5k", "2k"]),
        (3, "count", ["0", "1", "2", "3"]),
        (0, "count", ["0", "1"]),
        (17, "count", ["0", "5", "10", "15", "20"]),
        (81_000, "count", ["0", "25k", "50k", "75k", "100k"]),
        (0.44, "percent", ["0%", "20%", "40%", "60%"]),
        (1.0, "percent", ["0%", "25%", "50%", "75%", "100%"]),
        (134, "duration", ["0s", "1m", "2m", "3m"]),
        (2.9, "decimal", ["0", "1", "2", "3"]),
    ],
)
def test_the_axis_begins_at_zero_and_has_at_most_five_round_ticks(highest: float, kind: str, labels: list[str]) -> None:
    axis = charts.axis(highest, kind)
    assert axis["labels"] == labels
    assert axis["max"] >= highest


@pytest.mark.parametrize("highest", [1, 7, 99, 101, 12_345, 999_999, 1e9, 0.003, 4000])
@pytest.mark.parametrize("kind", ["count", "decimal", "duration"])
def test_no_value_stands_above_the_axis(highest: float, kind: str) -> None:
    axis = charts.axis(highest, kind)
    assert axis["max"] >= highest
    assert 2 <= len(axis["labels"]) <= 5


def test_the_running_day_says_until_when() -> None:
    bucket = day(20, 418, until=datetime(2026, 11, 20, 8, 41, tzinfo=BERLIN))
    assert charts.title(bucket, "day") == "Fri 20 Nov, until 08:41"


def test_the_other_side_is_cut_at_the_same_clock_time() -> None:
    until = datetime(2026, 11, 20, 8, 41, tzinfo=BERLIN)
    before = datetime(2026, 10, 23, tzinfo=BERLIN)
    bucket = day(20, 418, until=until, before_start=before, before=372.0)
    assert charts.before_title(bucket, "day") == "Fri 23 Oct, until 08:41"


@pytest.mark.parametrize(
    ("interval", "days", "text"),
    [("day", 1, "Mon 16 Nov 2026"), ("week", 7, "16 – 22 Nov 2026"), ("month", 30, "Nov 2026")],
)
def test_a_bucket_is_called_by_its_interval(interval: str, days: int, text: str) -> None:
    start = datetime(2026, 11, 16, tzinfo=BERLIN)
    assert charts.title(Bucket(start, start + timedelta(days=days), 1), interval) == text


def test_hours_of_one_day_are_labelled_by_the_clock() -> None:
    assert charts.lines(hours(20, 24), HOURLY, "", [])["labels"][9] == "09:00"


def test_hours_of_many_days_are_labelled_at_midnight() -> None:
    drawn = charts.lines(hours(16, 72), HOURLY, "", [])
    assert drawn["ticks"]["wide"] == [0, 24, 48]
    assert [drawn["labels"][place] for place in drawn["ticks"]["wide"]] == ["16 Nov", "17 Nov", "18 Nov"]


def test_labels_are_at_most_ten_and_five_on_a_phone() -> None:
    ticks = charts.lines([day(n + 1) for n in range(30)], VISITORS, "", [])["ticks"]
    assert len(ticks["wide"]) == 10
    assert len(ticks["phone"]) == 5


def test_a_reader_without_the_picture_hears_the_highest() -> None:
    buckets = [day(10, 1200), day(11, 1894), day(12, 300)]
    text = charts.sentence(buckets, VISITORS, "10 – 12 Nov 2026")
    assert text == "Visitors by day, 10 – 12 Nov 2026: highest 1,894 on Wed 11 Nov"


def test_nothing_is_said_to_be_highest_of_nothing() -> None:
    assert charts.sentence([day(10), day(11)], VISITORS, "x") == "Visitors by day, x: none"


def test_a_bucket_in_a_gap_has_no_value_and_no_change() -> None:
    drawn = charts.lines([day(10, None), day(11, 5)], VISITORS, "", [])
    assert drawn["values"] == [None, 5]
    assert drawn["texts"][0] == "—"
    assert drawn["changes"][0] == ""


def test_changes_carry_a_sign() -> None:
    before = datetime(2026, 10, 14, tzinfo=BERLIN)
    drawn = charts.lines(
        [day(11, 169, before_start=before, before=100), day(12, 50, before_start=before, before=100)], VISITORS, "", []
    )
    assert drawn["changes"] == ["+69%", "−50%"]


def test_without_a_comparison_there_is_no_second_line() -> None:
    assert charts.lines([day(11, 5)], VISITORS, "", [])["before"] is None


def test_the_table_says_what_the_chart_draws() -> None:
    buckets = [day(11, 1894), day(12, 300)]
    drawn = charts.lines(buckets, VISITORS, "", [])
    rows = charts.table_rows(buckets, VISITORS)
    assert [row["value"] for row in rows] == drawn["texts"]
    assert [row["title"] for row in rows] == drawn["titles"]


def test_a_small_line_runs_from_edge_to_edge() -> None:
    paths = charts.spark([0, 5, 10])
    assert paths is not None
    assert paths["line"] == "M0.0 28.0L60.0 15.0L120.0 2.0"
    assert paths["area"].endswith("L120 30L0 30Z")


@pytest.mark.parametrize("values", [[], [3], [0, 0, 0]])
def test_a_small_line_of_nothing_is_not_drawn(values: list[float]) -> None:
    assert charts.spark(values) is None
