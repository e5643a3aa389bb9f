"""One event that the database refuses: it is set aside with the reason, and costs no other."""

import math
from typing import Any

import msgspec
import psycopg
import pytest

from ingest import lease, partitions, quarantine, queue, writer
from ingest.drain import Drain
from ingest.enrich import source
from ingest.event import Batch, Context
from ingest.models import Quarantine, Shard, Site
from tests.conftest import counts, rows
from tests.ingest.examples import batch, event
from tests.ingest.writers import publish, stored

pytestmark = pytest.mark.usefixtures("quick_turns")


def states() -> list[str]:
    return [one.sqlstate for one in Quarantine.objects.order_by("id")]


def test_it_works(site: Site) -> None:
    written = quarantine.write([batch(site, event(), event(scroll=40_000), event())])
    assert (written.stored, stored(), states()) == (2, 2, ["22003"])
    assert counts() == {("stored", ""): 2, ("quarantined", "22003"): 1}


def test_without_a_bad_event_it_is_one_transaction(site: Site) -> None:
    quarantine.write([batch(site, event()), batch(site, event())])
    assert len(rows("SELECT DISTINCT processed_at FROM ingest_event")) == 1
    assert states() == []


POISON: list[tuple[str, str, dict[str, Any]]] = [
    ("U+0000 in a text", "22021", {"title": "a\x00b"}),
    ("U+0000 in a property", "22P05", {"properties": {"a": "\x00"}}),
    ("U+0000 in what is known of a user", "22P05", {"user_properties": {"a": "\x00"}}),
    ("a number that is too large", "22003", {"scroll": 40_000}),
    ("a number that is far too large", "22003", {"engaged_ms": 2**40}),
    ("a visitor that is no bigint", "22003", {"visitor_id": 2**63}),
    ("a session that is no bigint", "22003", {"session_id": 2**64 - 1}),
    ("infinity among a user's numbers", "22P02", {"user_properties": {"a": math.inf}}),
    ("a time after the year 9999", "22000", {"ts": 1e12}),
    ("a time that is no number", "22000", {"ts": math.nan}),
    ("a time without end", "22000", {"ts": math.inf}),
    ("a time as sent that is far away", "22000", {"sent_ts": 1e20}),
    ("U+0000 in the context", "22021", {"visitor_id": 8, "context": Context(language="\x00")}),
]


@pytest.mark.parametrize(("state", "fields"), [case[1:] for case in POISON], ids=[case[0] for case in POISON])
def test_a_bad_event_is_set_aside_and_499_are_stored(site: Site, state: str, fields: dict[str, Any]) -> None:
    events = [event() for _ in range(499)]
    events.insert(123, event(**fields))
    assert quarantine.write([batch(site, *events)]).stored == 499
    assert (stored(), states()) == (499, [state])
    assert sum(counts().values()) == 500


def test_what_is_set_aside_can_be_written_later(site: Site) -> None:
    bad = event(scroll=40_000, title="Prices")
    quarantine.write([batch(site, event(), bad)])
    kept = Quarantine.objects.get()
    entry = msgspec.msgpack.decode(kept.entry, type=Batch)
    assert (kept.site_id, entry.events) == (site.pk, [bad])
    assert "out of range" in kept.detail
    entry.events[0].scroll = 40
    assert writer.write([entry]).stored == 1


def test_several_bad_events_are_all_found(site: Site) -> None:
    batches = [
        batch(site, *[event(scroll=40_000 if (n + size) % 3 == 0 else 5) for n in range(size)]) for size in (1, 4, 9)
    ]
    total = sum(len(one.events) for one in batches)
    written = quarantine.write(batches)
    assert (written.stored, len(states())) == (total - 4, 4)
    assert stored() == written.stored


def test_what_was_dropped_at_the_door_is_counted_once(site: Site) -> None:
    outcomes = {"dropped": {"bot": 7}}
    quarantine.write([batch(site, event(), event(scroll=40_000), event(), outcomes=outcomes)])
    quarantine.write([batch(site, event(scroll=40_000), outcomes=outcomes)])
    assert counts() == {("stored", ""): 2, ("quarantined", "22003"): 2, ("dropped", "bot"): 14}


def test_a_repeat_is_still_a_repeat(site: Site) -> None:
    good, bad = event(), event(scroll=40_000)
    quarantine.write([batch(site, good, bad)])
    written = quarantine.write([batch(site, good, bad)])
    assert (written.stored, written.duplicates, stored()) == (0, 1, 1)


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (psycopg.errors.NumericValueOutOfRange(), True),
        (psycopg.errors.UniqueViolation(), True),
        (psycopg.errors.ProgramLimitExceeded(), True),
        (psycopg.DataError("cannot contain NUL"), True),
        (ValueError("year 33658 is out of range"), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), True),
        (psycopg.errors.DiskFull(), False),
        (psycopg.errors.AdminShutdown(), False),
        (psycopg.errors.TooManyConnections(), False),
        (psycopg.errors.DeadlockDetected(), False),
        (psycopg.errors.InsufficientPrivilege(), False),
        (psycopg.errors.LockNotAvailable(), False),
        (psycopg.OperationalError("the connection is closed"), False),
        (psycopg.InterfaceError(), False),
    ],
)
def test_only_values_are_to_blame(error: Exception, is_fault: bool) -> None:
    assert quarantine.is_fault(error) is is_fault


def test_trouble_of_the_database_is_passed_on(site: Site) -> None:
    def full(_: psycopg.Connection) -> None:
        raise psycopg.errors.DiskFull

    with pytest.raises(psycopg.errors.DiskFull):
        quarantine.write([batch(site, event(), event())], full)
    assert (stored(), states()) == (0, [])


def test_the_claim_is_made_last_and_the_guard_before(site: Site) -> None:
    told: list[tuple[str, int]] = []
    events = [event(scroll=40_000), event(), event(), event()]
    quarantine.write(
        [batch(site, *events)],
        claim=lambda _: told.append(("claim", stored())),
        guard=lambda _: told.append(("guard", stored())),
    )
    assert told[-1] == ("claim", 1)
    assert [stored for who, stored in told if who == "guard"] == [0, 0, 0, 0]


# --- In the stream ----------------------------------------------------------------------------------------


def test_the_stream_goes_on_behind_a_bad_event(committed: Site) -> None:
    publish(committed, event(), event(title="\x00"))
    publish(committed, event(ts=1e12))
    publish(committed, event())
    assert Drain().turn() == 2
    assert (queue.backlog(), sorted(states())) == (0, ["22000", "22021"])


def test_text_that_is_no_unicode_is_set_aside_and_costs_no_other_entry(committed: Site) -> None:
    """Half a character in the stream's encoding; nothing of ours can write one."""
    fields = queue.entries_of([batch(committed, event(title="AAA"))])[queue.key_of(0)]
    raw = {name: value.replace(b"AAA", b"\xed\xa0\x80") for name, value in fields.items()}
    queue.client().xadd(queue.key_of(0), raw)
    publish(committed, event())
    assert Drain().turn() == 1
    assert (queue.backlog(), states()) == (0, ["22P03"])
    assert bytes(Quarantine.objects.get().entry) == raw[queue.FIELD]


def test_a_writer_without_its_shard_sets_no_broken_entry_aside(committed: Site) -> None:
    first = Drain()
    first.turn()
    Shard.objects.update(epoch=99)
    queue.client().xadd(queue.key_of(0), {queue.VERSION_FIELD: queue.VERSION, queue.FIELD: b"\xc1"})
    with pytest.raises(lease.Lost):
        first.turn()
    assert (queue.backlog(), states()) == (1, [])


def test_an_event_of_a_missing_day_is_no_bad_one(committed: Site) -> None:
    day = next(iter(partitions.days_of([committed.created_at])))
    writer.connected().execute(f"DROP TABLE {partitions.name_of(day)}")
    publish(committed, event(ts=committed.created_at.timestamp()))
    assert Drain().turn() == 1
    assert states() == []


def test_a_writer_without_its_shard_sets_nothing_aside(committed: Site) -> None:
    first = Drain()
    first.turn()
    Shard.objects.update(epoch=99)
    publish(committed, event(), event(scroll=40_000))
    with pytest.raises(lease.Lost):
        first.turn()
    assert (stored(), states(), counts()) == (0, [], {})


def test_a_writer_that_loses_its_shard_in_the_search_stops(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Drain()
    first.turn()
    publish(committed, event(), event(), event(), event(scroll=40_000))
    halves = quarantine._halves

    def lost(batches: list[Batch]) -> Any:
        Shard.objects.update(epoch=99)
        return halves(batches)

    monkeypatch.setattr(quarantine, "_halves", lost)
    with pytest.raises(lease.Lost):
        first.turn()
    assert (stored(), states()) == (0, [])


def test_what_our_own_code_fails_on_stops_nothing(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    external = source.external

    def fails_on_one(referrer: str | None, hostname: str | None) -> str | None:
        return external(["of another kind"][len(referrer or "")], hostname) if referrer else None

    monkeypatch.setattr(source, "external", fails_on_one)
    publish(committed, event(), event(referrer="https://a.example/"), event())
    publish(committed, event())
    assert Drain().turn() == 3
    assert (queue.backlog(), states()) == (0, ["XX000"])
    assert counts()["quarantined", "XX000"] == 1
