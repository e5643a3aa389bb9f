"""Imports that are older than their site keeps events."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ingest.clock import DAY
from ingest.importers.age import Ages
from ingest.models import Site
from ingest.models.sites import MOST_DAYS
from ingest.writer import Written
from tests.conftest import rows
from tests.ingest.examples import event

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ages(site: Site, said: list[str] | None = None, *, keep: bool = False) -> Ages:
    return Ages(site, NOW.timestamp(), (said if said is not None else []).append, keep=keep)


def look(found: Ages, *days: float) -> None:
    events = [event(ts=(NOW - timedelta(days=ago)).timestamp()) for ago in days]
    found.before(lambda block: Written(len(block), 0))(events)


def test_it_works(site: Site) -> None:
    said: list[str] = []
    found = ages(site, said)
    look(found, 100, 400, 10)
    [first] = said
    assert first.startswith("It begins with events of 2025-10-17. Shop keeps events for 90 days and sessions for 365.")
    assert first.endswith("The next cleanup takes them away and leaves the figures; --keep keeps them.")
    assert (found.told() or "").startswith(
        "2 events are older than the site keeps events, 1 of them older than it keeps sessions."
    )


def test_nothing_is_said_of_a_young_one(site: Site) -> None:
    said: list[str] = []
    found = ages(site, said)
    look(found, 89.9, 1)
    assert (said, found.told()) == ([], None)


def test_it_is_said_before_anything_is_written(site: Site) -> None:
    said: list[str] = []
    found = Ages(site, NOW.timestamp(), said.append, keep=False)

    def fail(_: object) -> Written:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        found.before(fail)([event(ts=0.0)])
    assert said


def test_it_is_said_once(site: Site) -> None:
    said: list[str] = []
    found = ages(site, said)
    look(found, 100)
    look(found, 400)
    assert len(said) == 1
    assert (found.past_events, found.past_sessions) == (2, 1)


def test_the_site_keeps_them_where_that_is_asked_for(site: Site) -> None:
    found = ages(site, keep=True)
    look(found, 10, 399.5)
    kept = Site.objects.get()
    assert (kept.events_days, kept.sessions_days, kept.aggregates_days) == (401, 401, None)
    assert found.told() == "Shop keeps events for 401 days and sessions for 401."
    look(found, 800.5)
    assert Site.objects.get().events_days == 802


def test_no_keeping_is_shortened(site: Site) -> None:
    Site.objects.update(events_days=30, sessions_days=1000, aggregates_days=1200)
    site.refresh_from_db()
    look(ages(site, keep=True), 100.5)
    assert list(Site.objects.values_list("events_days", "sessions_days", "aggregates_days")) == [(102, 1000, 1200)]


def test_limited_aggregates_are_kept_as_long(site: Site) -> None:
    Site.objects.update(aggregates_days=400)
    site.refresh_from_db()
    look(ages(site, keep=True), 500.5)
    kept = Site.objects.get()
    kept.clean()
    assert kept.aggregates_days == 502


def test_nothing_is_kept_longer_than_anything_may_be(site: Site) -> None:
    found = ages(site, keep=True)
    found.before(lambda block: Written(len(block), 0))([event(ts=-(10.0**10))])
    assert Site.objects.get().events_days == MOST_DAYS


# --- The command ------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text('{"name": "pageview", "timestamp": "2015-05-17T12:00:00Z", "visitor_id": "a"}\n')
    return path


def import_events(site: Site, path: Path, **options: Any) -> tuple[str, str]:
    """What it prints, and what it says meanwhile."""
    told, said = StringIO(), StringIO()
    call_command("import_events", str(path), format="jsonl", site=site.key, stdout=told, stderr=said, **options)
    return told.getvalue(), said.getvalue()


def test_the_command_says_so_before_and_after(site: Site, history: Path) -> None:
    told, said = import_events(site, history)
    assert said.startswith("It begins with events of 2015-05-17.")
    assert "1 events are older than the site keeps events, 1 of them older" in told
    assert rows("SELECT count(*) FROM ingest_event") == [(1,)]


def test_the_command_keeps_them(site: Site, history: Path) -> None:
    told, said = import_events(site, history, keep=True)
    assert said == ""
    days = Site.objects.get().events_days
    assert datetime.now(UTC) - days * DAY < datetime(2015, 5, 17, tzinfo=UTC)
    assert f"keeps events for {days:,} days" in told


def test_a_dry_run_says_so_and_changes_no_keeping(site: Site, history: Path) -> None:
    told, _ = import_events(site, history, keep=True, dry_run=True, json=True)
    assert json.loads(told)["older"] == {"than_events": 1, "than_sessions": 1}
    assert Site.objects.get().events_days == 90
