"""Who writes a shard: one owner at a time, told apart by a number that only grows."""

import os
import subprocess
import sys

import psycopg
import pytest

from ingest import lease
from ingest.lease import Lease
from ingest.models import Shard, Site
from tests.conftest import database_url, rows

OTHER = "another-boot/4026531836 12 99"


@pytest.fixture
def conn(committed: Site, another: psycopg.Connection) -> psycopg.Connection:
    return another


def given_to(owner: str, seconds: int) -> None:
    """The shard belongs to OWNER for SECONDS more."""
    rows(
        "INSERT INTO ingest_shard (shard, owner, epoch, until, applied)"
        " VALUES (0, %s, 4, now() + %s * interval '1 second', '9-1') RETURNING 1",
        owner,
        seconds,
    )


def taken(conn: psycopg.Connection) -> Lease:
    held = lease.take(conn, 0)
    assert held is not None
    return held


def test_it_works(conn: psycopg.Connection) -> None:
    held = taken(conn)
    assert held == Lease(0, 1, "0-0")
    lease.hold(conn, held, "5-1")
    lease.release(conn, held)
    assert taken(conn) == Lease(0, 2, "5-1")


def test_each_shard_has_its_own(conn: psycopg.Connection) -> None:
    assert (lease.take(conn, 0), lease.take(conn, 1)) == (Lease(0, 1, "0-0"), Lease(1, 1, "0-0"))


def test_it_lasts_ten_seconds(conn: psycopg.Connection) -> None:
    taken(conn)
    assert rows("SELECT round(extract(epoch FROM until - now())) FROM ingest_shard") == [(10,)]


def test_nobody_takes_it_from_a_living_process(conn: psycopg.Connection) -> None:
    taken(conn)
    assert lease.take(conn, 0) is None  # not even another writer of that process


def test_a_writer_that_could_not_give_it_back_takes_it_again_at_once(conn: psycopg.Connection) -> None:
    name = lease.owner()
    assert lease.take(conn, 0, name) == Lease(0, 1, "0-0")
    assert lease.take(conn, 0, name) == Lease(0, 2, "0-0")


def test_it_is_taken_from_another_machine_after_its_time_alone(conn: psycopg.Connection) -> None:
    given_to(OTHER, 5)
    assert lease.take(conn, 0) is None
    Shard.objects.update(until="2026-11-20T10:00:00Z")
    assert taken(conn) == Lease(0, 5, "9-1")


def test_it_is_taken_when_the_servers_clock_was_set_back(conn: psycopg.Connection) -> None:
    given_to(OTHER, 3_600)
    assert taken(conn).epoch == 5


def test_it_is_taken_at_once_from_a_process_of_this_machine_that_has_ended(conn: psycopg.Connection) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    machine = lease.owner().split(" ")[0]
    given_to(f"{machine} {int(ended.stdout)} 12345", 5)
    assert taken(conn).epoch == 5


def test_a_process_that_got_the_number_of_an_ended_one_is_not_taken_for_it(conn: psycopg.Connection) -> None:
    machine, pid, started, _ = lease.owner().split(" ")
    given_to(f"{machine} {pid} {int(started) - 1}", 5)
    assert taken(conn).epoch == 5


def test_a_killed_owner_is_known_to_have_ended(conn: psycopg.Connection) -> None:
    code = (
        "import psycopg, signal, os; from ingest import lease\n"
        f"conn = psycopg.connect({database_url()!r}, autocommit=True)\n"
        "assert lease.take(conn, 0); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert taken(conn).epoch == 2


@pytest.mark.parametrize("name", ["", "unknown 1 1", "unknown", "x", "a b c d e", f"{lease._machine()} x 1"])
def test_a_name_that_says_nothing_is_waited_for(conn: psycopg.Connection, name: str) -> None:
    given_to(name, 5)
    assert lease.take(conn, 0) is None


def test_owners_are_told_apart() -> None:
    code = "from ingest import lease; print(lease.owner())"
    others = {subprocess.check_output([sys.executable, "-c", code], text=True).strip() for _ in range(2)}
    assert len({*others, lease.owner()}) == 3
    assert lease.owner().split(" ")[1] == str(os.getpid())


# --- Holding ----------------------------------------------------------------------------------------------


def test_holding_lengthens_it_and_keeps_what_is_applied(conn: psycopg.Connection) -> None:
    held = taken(conn)
    lease.hold(conn, held, "7-2")
    Shard.objects.update(until="2026-11-20T10:00:00Z")
    lease.hold(conn, held)
    assert rows("SELECT applied, until > now() + interval '9 seconds' FROM ingest_shard") == [("7-2", True)]


def test_a_lost_lease_cannot_be_held(conn: psycopg.Connection) -> None:
    held = taken(conn)
    Shard.objects.update(until="2026-11-20T10:00:00Z")
    taken(conn)
    with pytest.raises(lease.Lost, match="Shard 0 has another writer"):
        lease.hold(conn, held)


def test_a_lost_lease_releases_nothing(conn: psycopg.Connection) -> None:
    held = taken(conn)
    Shard.objects.update(until="2026-11-20T10:00:00Z")
    taken(conn)
    lease.release(conn, held)
    assert lease.take(conn, 0) is None


def test_what_a_transaction_applied_goes_with_it(conn: psycopg.Connection) -> None:
    held = taken(conn)
    with conn.transaction(force_rollback=True):
        lease.hold(conn, held, "7-2")
    assert rows("SELECT applied FROM ingest_shard") == [("0-0",)]


def test_nobody_takes_it_while_a_transaction_holds_it(conn: psycopg.Connection) -> None:
    """Its time may end before its commit: whoever wants it asks again after it."""
    held = taken(conn)
    Shard.objects.update(until="2026-11-20T10:00:00Z")
    with conn.transaction(), psycopg.connect(database_url(), autocommit=True) as other:
        lease.hold(conn, held)
        assert lease.take(other, 0) is None


@pytest.mark.parametrize(
    ("applied", "entry", "is_applied"),
    [("0-0", "1-0", False), ("5-3", "5-3", True), ("5-3", "5-4", False), ("5-10", "5-9", True), ("10-0", "9-9", True),
     ("9-9", "10-0", False), ("5", "5-0", True)],
)  # fmt: skip
def test_entries_are_compared_as_numbers(applied: str, entry: str, is_applied: bool) -> None:
    assert lease.is_applied(Lease(0, 1, applied), entry) is is_applied


def test_the_later_of_two_entries_is_told_by_its_numbers() -> None:
    assert lease.later("9-9", "10-1") == lease.later("10-1", "9-9") == "10-1"
