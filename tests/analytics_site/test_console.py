"""The log files of all processes, as one stream."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from analytics_site.console import Follower

Follow = Callable[..., Follower]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    """`follow(out, "web")` follows a log of that name in the test's folder."""
    with ExitStack() as stack:

        def start(out: io.StringIO, *names: str) -> Follower:
            follower = Follower(tmp_path, list(names), out)
            stack.callback(follower.close)
            return follower

        yield start


def add(folder: Path, name: str, text: str) -> None:
    with (folder / f"{name}.log").open("a") as file:
        file.write(text)


def test_it_works(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web", "writer")
    add(tmp_path, "web", "one\n")
    add(tmp_path, "writer", "two\nthree\n")
    assert follower.show()
    assert out.getvalue() == "web       | one\nwriter    | two\nwriter    | three\n"


def test_what_was_there_before_is_not_shown(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    add(tmp_path, "web", "old\n")
    follower = follow(out, "web")
    add(tmp_path, "web", "new\n")
    follower.show()
    assert out.getvalue() == "web       | new\n"


def test_nothing_new_is_nothing(follow: Follow, out: io.StringIO) -> None:
    assert not follow(out, "web").show()
    assert out.getvalue() == ""


def test_a_line_is_shown_when_it_is_whole(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web")
    add(tmp_path, "web", "half")
    assert not follower.show()
    add(tmp_path, "web", " a line\n")
    follower.show()
    assert out.getvalue() == "web       | half a line\n"


def test_nothing_is_lost_when_a_file_rotates(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web")
    add(tmp_path, "web", "one\n")
    follower.show()
    add(tmp_path, "web", "two\n")
    (tmp_path / "web.log").rename(tmp_path / "web.log.1")
    add(tmp_path, "web", "three\n")
    follower.show()
    assert [line[12:] for line in out.getvalue().splitlines()] == ["one", "two", "three"]


def test_bytes_that_are_no_text_are_shown_as_such(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web")
    (tmp_path / "web.log").write_bytes(b"caf\xe9\n")
    follower.show()
    assert out.getvalue() == "web       | caf\ufffd\n"


def test_what_says_nothing_new_is_left_out(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "supervisor")
    add(tmp_path, "supervisor", "INFO success: web entered RUNNING state\nWARN exited: web\n")
    follower.show()
    assert out.getvalue() == "supervisor| WARN exited: web\n"


def test_a_terminal_gets_colours(follow: Follow, tmp_path: Path) -> None:
    terminal = Terminal()
    follower = follow(terminal, "web", "writer")
    add(tmp_path, "writer", "two\n")
    follower.show()
    assert terminal.getvalue() == "\033[32mwriter    | \033[0mtwo\n"


def test_it_goes_on_when_nobody_reads(follow: Follow, tmp_path: Path) -> None:
    follower = follow(Closed(), "web")
    add(tmp_path, "web", "one\n")
    assert follower.show()


def test_the_last_line_tells_why(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web")
    assert follower.last_line("web") == "its log is empty"
    add(tmp_path, "web", "one\nno space left\n")
    assert follower.last_line("web") == "no space left"


def test_who_has_spoken_is_known(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "web", "writer")
    add(tmp_path, "web", "one\n")
    follower.show()
    assert follower.have_spoken(["web"])
    assert not follower.have_spoken(["web", "writer"])


def test_what_is_skipped_is_not_shown(follow: Follow, tmp_path: Path, out: io.StringIO) -> None:
    follower = follow(out, "supervisor")
    add(tmp_path, "supervisor", "about itself\n")
    follower.skip("supervisor")
    follower.show()
    assert out.getvalue() == ""
