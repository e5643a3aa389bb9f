import csv
import io

import pytest

from reports import exports


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-cmd", "@SUM(A1)", "\tx", "\rx", "＝1", "＋1", "－1", "＠x"])
def test_a_cell_never_runs_as_a_formula(cell: str) -> None:
    assert exports.safe(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("value", "text"), [(-4, "-4"), (-0.25, "-0.25"), (18427, "18427"), (None, ""), ("/a=b", "/a=b")]
)
def test_numbers_and_plain_text_stay_as_they_are(value: object, text: str) -> None:
    assert exports.safe(value) == text


def test_a_value_never_leaves_its_column() -> None:
    rows = [['/a,b"c\nd;e', 3], ["plain", 4]]
    read = list(csv.reader(io.StringIO(exports.table(["Page", "Visitors"], rows), newline="")))
    assert read == [["Page", "Visitors"], ['/a,b"c\nd;e', "3"], ["plain", "4"]]


def test_a_null_character_is_left_out() -> None:
    assert exports.safe("a\x00b") == "ab"


def test_the_file_name_holds_no_sign_of_a_path_or_header() -> None:
    assert exports.file_name('../e"x\r\n', "Sources") == "e-x-sources.csv"


def test_a_download_is_an_attachment() -> None:
    response = exports.download("x.csv", ["a"], [[1]])
    assert response["Content-Disposition"] == 'attachment; filename="x.csv"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"
