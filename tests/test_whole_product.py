"""Promises that only the running product can keep: every process real, killed and flooded."""

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import HEALTH_TOKEN, Product, wait_for

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("whole")]
ADDRESS = "203.0.113.77"


def ready(product: Product) -> bool:
    request = urllib.request.Request(f"{product.base}/readyz", headers={"Authorization": f"Bearer {HEALTH_TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(json.load(answer)["ready"])
    except OSError:
        return False


def stored(product: Product, ids: set[str]) -> int:
    found = product.rows("SELECT id::text FROM ingest_event")
    assert len(found) == len({id_ for (id_,) in found}), "an event is stored twice"
    return len(ids & {id_ for (id_,) in found})


def test_it_works(product: Product) -> None:
    wait_for(lambda: ready(product), 10)
    assert product.post(product.batch(3)) == (202, {"accepted": 3, "rejected": [], "dropped": []})


class Sender(threading.Thread):
    """Posts batches until TOTAL events were answered 2xx; what fails is sent again with the same ids."""

    def __init__(self, product: Product, total: int) -> None:
        super().__init__()
        self.product, self.total, self.answered, self.failures = product, total, set[str](), 0

    def run(self) -> None:
        while len(self.answered) < self.total:
            self.send(self.product.batch(50, visitor_id=f"v-{len(self.answered)}"))

    def send(self, batch: dict[str, object]) -> None:
        for _ in range(200):
            try:
                status, _ = self.product.post(batch)
            except OSError:
                status = 0
            if status == 202:
                self.answered |= {event["id"] for event in batch["events"]}  # type: ignore[attr-defined]
                return
            self.failures += 1
            time.sleep(0.1)
        raise AssertionError("no answer for 20 s")


def kill_and_await(product: Product, name: str) -> None:
    before = product.processes()[name]
    os.kill(before, signal.SIGKILL)
    started = time.monotonic()
    wait_for(lambda: product.processes().get(name) not in (before, None), 5)
    wait_for(lambda: ready(product), 5 - (time.monotonic() - started))


def test_nothing_is_lost_or_doubled_when_web_and_writer_are_killed(product: Product) -> None:
    senders = [Sender(product, 10_000) for _ in range(2)]
    for sender in senders:
        sender.start()
    for name in ("writer", "web", "writer"):
        time.sleep(1.5)
        kill_and_await(product, name)
    for sender in senders:
        sender.join(120)
    answered = senders[0].answered | senders[1].answered
    assert len(answered) == 20_000
    wait_for(lambda: stored(product, answered) == 20_000, 30)


def test_slow_bodies_hold_nobody_up(product: Product) -> None:
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{product.port}\r\nContent-Length: 100\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", product.port)) for _ in range(60)]
    for connection in slow:
        connection.sendall(head.encode() + b"{")
    started = time.monotonic()
    assert product.post(product.batch(1), timeout=5)[0] == 202
    with urllib.request.urlopen(f"{product.base}/login", timeout=5) as page:
        assert page.status == 200
    assert time.monotonic() - started < 1
    for connection in slow:
        connection.close()


def visitors(product: Product) -> int:
    return int(product.rows("SELECT count(*) FROM ingest_visitor")[0][0])


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_the_senders_address_is_nowhere(product: Product) -> None:
    """Not in the tables, the write-ahead log, Redis' file, or any log; each byte on the disk is looked at."""
    before = visitors(product)
    product.post(product.batch(20), headers={"X-Forwarded-For": ADDRESS})
    wait_for(lambda: visitors(product) == before + 1, 5)  # the address was read, and made a visitor
    product.post({"site": "nobody", "events": [{"name": "x"}]}, headers={"X-Forwarded-For": ADDRESS})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(
            urllib.request.Request(f"{product.base}/no-such-page", headers={"X-Forwarded-For": ADDRESS})
        )
    time.sleep(2)
    folders = {product.folder, product.servers_folder()}
    seen = [path for folder in folders for path in files_below(folder)]
    assert any("appendonly" in str(path) for path in seen), "Redis' file was not looked at"
    assert any("base/" in str(path) for path in seen), "the tables were not looked at"
    assert [path for path in seen if ADDRESS.encode() in path.read_bytes()] == []
