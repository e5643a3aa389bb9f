"""One at a time, whatever becomes of the one."""

import threading

import psycopg
import pytest
from django.db import connection

from ingest import writer
from ingest.alone import CLASS, Taken, alone
from ingest.models import Site

KEEPERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"


def keeper(conn: psycopg.Connection) -> int:
    [[pid]] = conn.execute(KEEPERS, (CLASS,)).fetchall()
    return int(pid)


def test_it_works(db: None) -> None:
    with alone("sweep"):
        pass
    with alone("sweep"):
        pass


def test_a_second_one_is_turned_away_at_once(db: None) -> None:
    with alone("sweep"), pytest.raises(Taken, match="sweep: is running already"), alone("sweep"):
        raise AssertionError("both are in")


def test_work_of_another_name_is_not_held_off(db: None) -> None:
    with alone("sweep"), alone("mop"):
        pass


def test_work_that_fails_lets_go(db: None) -> None:
    with pytest.raises(ValueError, match="no broom"), alone("sweep"):
        raise ValueError("no broom")
    with alone("sweep"):
        pass


def test_nothing_that_is_done_beside_it_waits_for_it(committed: Site) -> None:
    """An index that is built concurrently waits for every snapshot."""
    conn = writer.connected()
    with alone("sweep"):
        conn.execute("SET lock_timeout = '2s'")
        conn.execute("CREATE INDEX CONCURRENTLY sweeping ON ingest_salt (value)")
    conn.execute("RESET lock_timeout; DROP INDEX sweeping")


def test_another_thread_is_turned_away_too(committed: Site) -> None:
    """A worker runs its tasks in threads, each with a connection of its own."""
    found: list[bool] = []
    with alone("sweep"):
        thread = threading.Thread(target=lambda: found.append(is_free("sweep")))
        thread.start()
        thread.join()
    assert found == [False]


def is_free(name: str) -> bool:
    try:
        with alone(name):
            return True
    except Taken:
        return False
    finally:
        connection.close()


def test_the_work_may_commit_meanwhile(committed: Site) -> None:
    with alone("sweep"):
        Site.objects.update(name="Swept")
        assert not is_free("sweep")


def test_the_lock_holds_up_no_vacuum(committed: Site, another: psycopg.Connection) -> None:
    """A transaction with a snapshot would keep dead rows for as long as the work takes."""
    with alone("sweep"):
        about = "SELECT state, backend_xmin FROM pg_stat_activity WHERE pid = %s"
        assert another.execute(about, (keeper(another),)).fetchone() == ("idle in transaction", None)


def test_a_broken_lock_does_not_break_the_work(committed: Site, another: psycopg.Connection) -> None:
    with alone("sweep"):
        another.execute("SELECT pg_terminate_backend(%s, 10000)", (keeper(another),))
        Site.objects.update(name="Swept")
    assert Site.objects.get().name == "Swept"
