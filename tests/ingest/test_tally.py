"""Counts of a flood: added up in memory, handed on once a second, never lost while the process lives."""

import logging

import pytest

from ingest import tally
from ingest.event import Batch
from ingest.refusal import Refused
from ingest.tally import Tally


class Kept:
    """Takes batches, but not while it is AWAY."""

    def __init__(self, away: Exception | None = None) -> None:
        self.batches: list[Batch] = []
        self.away = away

    def __call__(self, batch: Batch) -> None:
        if self.away:
            raise self.away
        self.batches.append(batch)

    @property
    def counts(self) -> list[tuple[int, int]]:
        return [(batch.site_id, batch.outcomes["dropped"]["rate_limited"]) for batch in self.batches]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time never comes by itself."""
    monkeypatch.setattr(tally, "SECONDS", 30.0)


def test_it_works(patient: None) -> None:
    kept = Kept()
    found = Tally(kept)
    for site_id, events in ((7, 3), (8, 1), (7, 500)):
        found.add(site_id, events)
    assert kept.batches == []
    found.hand_on()
    found.forget()
    assert kept.counts == [(7, 503), (8, 1)]


def test_it_hands_on_by_itself_and_only_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "SECONDS", 0.01)
    kept = Kept()
    found = Tally(kept)
    found.add(7, 3)
    assert found._timer is not None
    found._timer.join(10)
    assert kept.counts == [(7, 3)]
    assert found._timer is None


def test_one_timer_runs_however_much_is_added(patient: None) -> None:
    found = Tally(Kept())
    found.add(7, 1)
    first = found._timer
    found.add(8, 1)
    assert found._timer is first
    found.forget()


def test_what_nobody_takes_is_kept_for_the_next_second(patient: None) -> None:
    kept = Kept(away=Refused(503, "unavailable", "Away."))
    found = Tally(kept)
    found.add(7, 3)
    found.hand_on()
    found.add(7, 2)
    kept.away = None
    found.hand_on()
    found.forget()
    assert kept.counts == [(7, 5)]


def test_a_fault_is_logged(db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tally, "SECONDS", 0.01)
    found = Tally(Kept(away=ValueError("no")))
    with caplog.at_level(logging.ERROR):
        found.add(7, 3)
        assert found._timer is not None
        found._timer.join(10)
    assert "could not be counted" in caplog.text


def test_what_is_forgotten_is_handed_on_to_nobody(patient: None) -> None:
    kept = Kept()
    found = Tally(kept)
    found.add(7, 3)
    found.forget()
    found.hand_on()
    assert kept.batches == []


def test_a_fault_with_one_site_costs_no_other_its_count(patient: None, caplog: pytest.LogCaptureFixture) -> None:
    kept: list[int] = []

    def keep(batch: Batch) -> None:
        if batch.site_id == 7:
            raise LookupError
        kept.append(batch.site_id)

    found = Tally(keep)
    found.add(7, 1)
    found.add(8, 1)
    found.hand_on()
    found.forget()
    assert kept == [8]
    assert "site 7" in caplog.text
