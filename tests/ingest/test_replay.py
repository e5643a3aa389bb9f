"""Events in quarantine, written again: once each, and the counts still balance."""

import threading
import time
from io import StringIO
from typing import Any

import msgspec
import psycopg
import pytest
from django.core.management import CommandError, call_command

from ingest import quarantine, writer
from ingest import replay as module
from ingest.event import Batch
from ingest.models import Quarantine, Site
from ingest.replay import Outcome, replay
from tests.conftest import counts, no_postgres
from tests.ingest.examples import batch, event
from tests.ingest.writers import stored, with_own_connection


def refused(site: Site, **mended: Any) -> Quarantine:
    """A row as the database's refusal of a number leaves it; MENDED: as if a release took the event so."""
    bad = event(scroll=40_000)
    quarantine.write([batch(site, bad, outcomes={"dropped": {"bot": 2}})])
    row = Quarantine.objects.latest("pk")
    if mended:
        entry = msgspec.msgpack.decode(row.entry, type=Batch)
        events = [msgspec.structs.replace(entry.events[0], **mended)]
        row.entry = msgspec.msgpack.encode(msgspec.structs.replace(entry, events=events))
        row.save()
    return row


def test_it_works(site: Site) -> None:
    row = refused(site, scroll=40)
    assert counts() == {("quarantined", "22003"): 1, ("dropped", "bot"): 2}
    assert replay(row) is Outcome.WRITTEN
    assert (stored(), Quarantine.objects.count()) == (1, 0)
    assert counts() == {("stored", ""): 1, ("dropped", "bot"): 2}


def test_what_is_refused_again_stays_as_it_was(site: Site) -> None:
    row, before = refused(site), counts()
    assert replay(row) is Outcome.REFUSED
    assert (stored(), counts(), Quarantine.objects.get().entry) == (0, before, row.entry)


def test_what_is_refused_for_another_reason_says_so(site: Site) -> None:
    row = refused(site, scroll=40, properties={"a": "\x00"})
    assert replay(row) is Outcome.REFUSED
    assert Quarantine.objects.get().sqlstate == "22P05"
    assert counts() == {("quarantined", "22P05"): 1, ("dropped", "bot"): 2}


def test_an_event_that_came_again_meanwhile_is_a_repeat(site: Site) -> None:
    row = refused(site, scroll=40)
    entry = msgspec.msgpack.decode(row.entry, type=Batch)
    writer.write([batch(site, *entry.events)])
    assert replay(row) is Outcome.REPEATED
    assert counts() == {("stored", ""): 1, ("duplicate", ""): 1, ("dropped", "bot"): 2}


def test_a_second_time_there_is_nothing_to_do(site: Site) -> None:
    row = refused(site, scroll=40)
    stale = Quarantine.objects.get()
    assert [replay(row), replay(stale)] == [Outcome.WRITTEN, Outcome.GONE]
    assert counts() == {("stored", ""): 1, ("dropped", "bot"): 2}


def test_a_trial_changes_nothing(site: Site) -> None:
    rows, before = [refused(site, scroll=40), refused(site)], counts()
    assert [replay(row, is_trial=True) for row in rows] == [Outcome.WRITTEN, Outcome.REFUSED]
    assert (stored(), counts(), Quarantine.objects.count()) == (0, before, 2)


def test_two_at_once_write_it_once(committed: Site) -> None:
    row = refused(committed, scroll=40)
    found: list[Outcome] = []
    both = threading.Barrier(2)

    def work() -> None:
        mine = Quarantine.objects.get(pk=row.pk)
        both.wait(10)
        found.append(replay(mine))

    threads = [threading.Thread(target=with_own_connection, args=[work]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([Outcome.WRITTEN, Outcome.GONE])
    assert (stored(), counts()) == (1, {("stored", ""): 1, ("dropped", "bot"): 2})


def test_trouble_of_the_database_leaves_the_row(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    row, before = refused(site, scroll=40), counts()

    def full(*_: object) -> None:
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(module.ledger, "write", full)
    with pytest.raises(psycopg.errors.DiskFull):
        replay(row)
    assert (stored(), counts(), Quarantine.objects.count()) == (0, before, 1)


# --- Entries that could not be read -----------------------------------------------------------------------


def test_what_still_cannot_be_read_stays(site: Site) -> None:
    quarantine.set_broken_aside(b"\xc1")
    assert replay(Quarantine.objects.get()) is Outcome.UNREADABLE
    assert Quarantine.objects.count() == 1


def test_what_can_be_read_by_now_is_written_with_its_counts(site: Site) -> None:
    whole = [batch(site, event(), outcomes={"dropped": {"bot": 2}}), batch(site, event())]
    quarantine.set_broken_aside(msgspec.msgpack.encode(whole))
    assert replay(Quarantine.objects.get()) is Outcome.WRITTEN
    assert (stored(), counts()) == (2, {("stored", ""): 2, ("dropped", "bot"): 2})


def test_the_same_bytes_are_kept_once(site: Site) -> None:
    quarantine.set_broken_aside(b"\xc1")
    quarantine.set_broken_aside(b"\xc1")
    assert [(row.site_id, row.sqlstate) for row in Quarantine.objects.all()] == [(0, "22P03")]


# --- The command ------------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_quarantine", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_tells_what_became_of_all(site: Site) -> None:
    refused(site, scroll=40)
    refused(site)
    assert command("--all", "--dry-run") == "Dry run: 2 entries: 1 written, 1 refused again."
    assert command("--all") == "2 entries: 1 written, 1 refused again."
    assert command("--all") == "1 entry: 1 refused again."


def test_the_command_takes_one_entry_or_those_of_a_site(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    first, _ = refused(site, scroll=40), refused(other, scroll=40)
    assert command("--id", str(first.pk)) == "1 entry: 1 written."
    assert command("--site", site.key) == "0 entries."
    assert command("--site", other.key) == "1 entry: 1 written."


@pytest.mark.parametrize(("option", "value"), [("--id", "77"), ("--site", "nobody")])
def test_the_command_refuses_what_is_not_there(db: None, option: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"{option} {value}: no s"):
        command(option, value)


def test_the_command_says_that_the_database_is_away(committed: Site) -> None:
    refused(committed)
    with no_postgres(), pytest.raises(CommandError, match="PostgreSQL says"):
        command("--all")


def test_an_event_that_is_too_old_by_now_is_rejected(site: Site) -> None:
    row = refused(site, scroll=40, ts=time.time() - 100 * 86_400)
    assert replay(row) is Outcome.TOO_OLD
    assert (stored(), Quarantine.objects.count()) == (0, 0)
    assert counts() == {("rejected", "too_old"): 1, ("dropped", "bot"): 2}
