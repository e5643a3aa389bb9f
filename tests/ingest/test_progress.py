"""How far a long command has come, on a terminal and in a log."""

import logging
import sys
from io import StringIO

import pytest

from ingest.management import progress
from ingest.management.progress import Progress, told
from ingest.rollups.backfill import Moved


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("shop.example.com") as watch:
        watch(Moved(0, 4, 0, None))
        watch(Moved(2, 4, 500, None))
    assert "shop.example.com:" in terminal.getvalue()
    assert "2/4" in terminal.getvalue()
    assert "events/s" in terminal.getvalue()


def test_days_that_were_done_before_make_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("shop.example.com") as watch:
        watch(Moved(3, 4, 0, None))
        assert (watch.bar.initial, watch.bar.n, watch.bar.total) == (3, 3, 4)


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    caplog.set_level(logging.INFO)
    with Progress("shop.example.com") as watch:
        watch(Moved(1, 4, 10, None))
    assert caplog.messages[0].startswith("shop.example.com: 1 of 4 days, ")


def test_a_log_gets_no_line_for_each_day(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress("shop.example.com") as watch:
        for day in range(5):
            watch(Moved(day, 4, 10, None))
    assert caplog.messages == []


def test_a_line_tells_rates_and_the_time_that_is_left() -> None:
    line = told(Moved(6, 10, 3_000, None), days=2, seconds=4)
    assert line == "6 of 10 days, 0.5 days/s, 750 events/s, about 8 s left."


def test_nothing_done_yet_tells_no_time_left() -> None:
    assert told(Moved(0, 10, 0, None), days=0, seconds=4) == "0 of 10 days, 0.0 days/s, 0 events/s."
