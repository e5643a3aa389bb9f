"""The faults, by kind. Each breaks a running product at a moment of its own choosing and returns when what it
broke answers again; what is in flight then is the product's business."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import redis

from analytics_site import supervision
from ingest.queue import GROUP, key_of
from tests.crash.target import PATIENCE, Target
from tests.product import ROOT, wait_for

Fault = Callable[[Target, Random], None]


def kill_processes(target: Target, random: Random) -> None:
    """One to three of the web server, the process behind it that answers, and the writer."""
    for _ in range(random.randint(1, 3)):
        name = random.choice(["web", "worker of web", "writer"])
        if name == "worker of web":
            _kill_web_worker(target, random)
        else:
            target.restart(name, signal.SIGKILL)


def _kill_web_worker(target: Target, random: Random) -> None:
    before: list[int] = []

    def runs() -> bool:
        before.extend(target.web_workers())
        return bool(before)

    wait_for(runs, PATIENCE)
    with contextlib.suppress(ProcessLookupError):  # ended between the look and the blow
        os.kill(random.choice(before), signal.SIGKILL)
    wait_for(lambda: bool(set(target.web_workers()) - set(before)), PATIENCE)


def restart_redis(target: Target, random: Random) -> None:
    target.restart("redis", signal.SIGTERM)
    wait_for(target.has_redis, PATIENCE)


def kill_redis(target: Target, random: Random) -> None:
    target.restart("redis", signal.SIGKILL)
    wait_for(target.has_redis, PATIENCE)


def hang_redis(target: Target, random: Random) -> None:
    """It sleeps, then does all that it was asked meanwhile: what was given up as lost arrives after all."""
    target.send("redis", signal.SIGSTOP)
    try:
        time.sleep(random.uniform(0.5, 1.5))
    finally:
        target.send("redis", signal.SIGCONT)
    wait_for(target.has_redis, PATIENCE)


def restart_postgres(target: Target, random: Random) -> None:
    """Its fast shutdown, its immediate one (a crash, as far as its files know), or one backend killed."""
    how = random.choice([signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
    if how == signal.SIGKILL:
        _kill_backend(target, random)
    else:
        target.restart("postgres", how)
    wait_for(target.has_postgres, PATIENCE)


def _kill_backend(target: Target, random: Random) -> None:
    """PostgreSQL ends all connections then, and recovers. Its processes are another user's: only root, or
    that user, can do it."""
    of_writer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    pids = [pid for (pid,) in target.rows(of_writer)]
    if pids:
        os.kill(random.choice(pids), signal.SIGKILL)


def pause_writer(target: Target, random: Random) -> None:
    """The writer sleeps, another one takes its shard and writes, the first one wakes and finds itself replaced."""
    target.send("writer", signal.SIGSTOP)
    try:
        ((epoch,),) = target.rows("SELECT epoch FROM ingest_shard WHERE shard = 0")
        with second_writer(target) as second:
            wait_for(lambda: _has_new_owner(target, epoch, second), PATIENCE)
            target.send("writer", signal.SIGCONT)
            wait_for(lambda: bool(target.redis.xlen(key_of(0)) == 0), PATIENCE)
    finally:
        target.send("writer", signal.SIGCONT)


@contextlib.contextmanager
def second_writer(target: Target) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "manage.py", "write_events"]
    with (target.product.data / "log" / "second-writer.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=target.product.environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


SLEEPING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND wait_event = 'ClientRead' AND pid <> pg_backend_pid()
"""


def _has_new_owner(target: Target, epoch: int, second: subprocess.Popen[bytes]) -> bool:
    """As if the first writer had slept for a minute: its lease is over, and PostgreSQL has ended the transaction
    that it fell asleep in."""
    assert second.poll() is None, "the second writer has ended"
    with target.postgres() as conn:
        conn.execute("SET lock_timeout = '100ms'")
        try:
            conn.execute("UPDATE ingest_shard SET until = now() WHERE shard = 0 AND epoch = %s", [epoch])
        except psycopg.errors.LockNotAvailable:
            conn.execute(SLEEPING)
    return target.rows("SELECT epoch > %s FROM ingest_shard WHERE shard = 0", epoch) == [(True,)]


def replay_stream(target: Target, random: Random) -> None:
    """All that passes for a while comes a second time, and the group is set back to its start."""
    end = time.monotonic() + 5  # the senders may have nothing more to send
    with tapped(target) as seen:
        wait_for(lambda: len(seen) >= 3 or time.monotonic() > end, PATIENCE)
    with contextlib.suppress(redis.ResponseError):
        target.redis.xgroup_setid(key_of(0), GROUP, "0")
    for fields in random.sample(seen, len(seen)):
        target.redis.xadd(key_of(0), fields)


@contextlib.contextmanager
def tapped(target: Target) -> Iterator[list[dict[Any, Any]]]:
    """The entries that pass meanwhile, as they come, read beside the group."""
    seen: list[dict[Any, Any]] = []
    done = threading.Event()
    thread = threading.Thread(target=_tap, args=[target, seen, done])
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _tap(target: Target, seen: list[dict[Any, Any]], done: threading.Event) -> None:
    last: Any = "$"
    with redis.Redis.from_url(target.state.redis_url) as client:
        while not done.is_set():
            answer: Any = client.xread({key_of(0): last}, block=100)
            for _, entries in answer or []:
                last = entries[-1][0]
                seen.extend(fields for _, fields in entries)


def nothing(target: Target, random: Random) -> None:
    """For runs whose fault is what the senders do."""


KINDS: dict[str, Fault] = {
    "process kill": kill_processes,
    "redis restart": restart_redis,
    "redis kill": kill_redis,
    "redis hang": hang_redis,
    "postgres restart": restart_postgres,
    "writer pause": pause_writer,
    "replayed stream": replay_stream,
    "resent batches": nothing,
}


def mixed(target: Target, random: Random) -> None:
    """Five faults in a row, of any kind."""
    for _ in range(5):
        random.choice([fault for fault in KINDS.values() if fault is not nothing])(target, random)


def no_postgres(seconds: float, target: Target, random: Random) -> None:
    """PostgreSQL is stopped, stays away, and comes back."""
    with supervision.rpc(Path(target.state.supervisor)) as server:
        server.supervisor.stopProcess("postgres")
        time.sleep(seconds)
        server.supervisor.startProcess("postgres", False)
    wait_for(target.has_postgres, PATIENCE)
