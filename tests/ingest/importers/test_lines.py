import gzip
import io
import sys
from pathlib import Path

import pytest

from ingest.importers.lines import LONGEST, Line, Lines, opened

TEXT = b"one\ntwo\r\n\nf\xc3\xbcnf\n\xff\xfe\nlast"
EXPECTED = [(1, "one"), (2, "two"), (3, ""), (4, "fünf"), (5, "\ufffd\ufffd"), (6, "last")]


def lines_of(content: bytes) -> list[Line]:
    return list(Lines(io.BufferedReader(io.BytesIO(content))))


def test_it_works() -> None:
    assert lines_of(TEXT) == EXPECTED


def test_packed_lines_are_the_same_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "access.log.1"
    path.write_bytes(gzip.compress(TEXT))
    with opened(str(path)) as lines:
        assert list(lines) == EXPECTED


def test_several_packed_parts_are_one(tmp_path: Path) -> None:
    path = tmp_path / "both.gz"
    path.write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    with opened(str(path)) as lines:
        assert [line.text for line in lines] == ["a", "b"]


@pytest.mark.parametrize("content", [TEXT, gzip.compress(TEXT)], ids=["plain", "packed"])  # packed bytes hold the time
def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    raw = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdin", raw)
    with opened("-") as lines:
        assert list(lines) == EXPECTED


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with opened(str(path)) as lines:
        assert (list(lines), lines.size) == ([], None)


def test_a_line_without_end_is_left_out_and_the_next_one_read() -> None:
    found = lines_of(b"a\n" + b"x" * (3 * LONGEST) + b"\nb\n")
    assert found == [(1, "a"), (2, None), (3, "b")]


def test_a_line_of_just_the_longest_length_is_read() -> None:
    found = lines_of(b"x" * (LONGEST - 1) + b"\nb\n")
    assert [len(line.text or "") for line in found] == [LONGEST - 1, 1]


def test_the_position_ends_at_the_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(TEXT * 1000))
    with opened(str(path)) as lines:
        assert lines.size == path.stat().st_size
        list(lines)
        assert lines.position == lines.size


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(OSError, match="nowhere"), opened("/nowhere/log"):
        pass
