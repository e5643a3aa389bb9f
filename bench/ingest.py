"""What the whole road takes: `python bench/ingest.py KEY [--seconds 20] [--batch 10] [--rate 0] [--addresses 5000]`.

Needs `manage.py up` on this machine, with `INGEST_TRUSTED_PROXIES=1`, since the senders' addresses are told in
X-Forwarded-For: visitors of a large site have many. Sends page views over keep-alive connections for that long (as
fast as they are taken, or at RATE requests a second), waits until all are in the tables, and prints requests and
events per second, answered and stored, latency, and for each process of the product how much CPU an event cost it and
its memory. Load generator, web, Redis, writer and PostgreSQL share the cores.
"""

import argparse
import heapq
import json
import os
import random
import selectors
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from django.db import connection

from ingest.models import Site

AGENTS = [
    f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for version in range(90, 140)
]
TICK = os.sysconf("SC_CLK_TCK")
PREPARED = 20_000  # requests that are made before, each sent with ids of its own


class Template(NamedTuple):
    """A request whose event ids are still to come."""

    head: bytes
    parts: list[bytes]

    def filled(self) -> bytes:
        ids = [str(uuid.UUID(int=random.getrandbits(128), version=4)).encode() for _ in self.parts[1:]]
        return self.head + b"".join(piece for pair in zip(self.parts, [*ids, b""], strict=True) for piece in pair)


def template(key: str, host: str, batch: int, addresses: int) -> Template:
    """Page views of one visitor, as the tracker sends them."""
    visitor, now = random.randrange(addresses), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    events = [
        {
            "id": "\0" * 36, "name": "pageview", "timestamp": f"{now}.{place:03d}Z", "visitor_id": f"v-{visitor}",
            "session_id": f"s-{visitor}", "url": f"https://shop.example.com/product/{random.randrange(300)}",
            "referrer": "https://www.google.com/", "title": "A product", "screen": "1920x1080",
            "viewport": "1200x800", "language": "en-US",
        }
        for place in range(batch)
    ]  # fmt: skip
    body = json.dumps({"site": key, "sent_at": f"{now}.999Z", "events": events}).replace("\\u0000", "\0")
    address = f"198.{18 + visitor // 65536 % 2}.{visitor // 256 % 256}.{visitor % 256}"
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENTS[visitor % len(AGENTS)]}\r\n"
        f"Content-Type: text/plain\r\nX-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Template(head.encode(), body.encode().split(b"\0" * 36))


class Load:
    """Keep-alive connections, each with one request under way, in one thread."""

    def __init__(self, host: str, port: int, connections: int, templates: list[Template]) -> None:
        self.templates = templates
        self.selector = selectors.DefaultSelector()
        self.free: list[socket.socket] = []
        self.began: dict[socket.socket, float] = {}
        self.answers: Counter[bytes] = Counter()
        self.latencies: list[float] = []
        self.sent = 0
        for _ in range(connections):
            one = socket.create_connection((host, port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(one, selectors.EVENT_READ)
            self.free.append(one)

    def run(self, seconds: float, rate: float) -> float:
        """For so long; returns how long it was until the last answer."""
        started = time.perf_counter()
        while (now := time.perf_counter()) < started + seconds:
            due = int((now - started) * rate) if rate else self.sent + len(self.free)
            while self.free and self.sent < due:
                self._send(self.free.pop())
            self._receive(0.001 if rate else 1.0)
        while self.began:
            self._receive(5.0)
        return time.perf_counter() - started

    def _send(self, one: socket.socket) -> None:
        request = self.templates[self.sent % len(self.templates)].filled()
        self.began[one] = time.perf_counter()
        one.sendall(request)
        self.sent += 1

    def _receive(self, wait: float) -> None:
        for key, _ in self.selector.select(wait):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            answer = one.recv(65536)  # an answer is one packet
            assert answer, "the server has closed a connection"
            self.answers[answer[9:12]] += 1
            self.latencies.append(time.perf_counter() - self.began.pop(one))
            self.free.append(one)


class Used(NamedTuple):
    """CPU seconds and bytes of memory by role."""

    cpu: dict[str, float]
    memory: dict[str, int]


def used(roles: dict[int, str]) -> Used:
    cpu, memory = dict.fromkeys(roles.values(), 0.0), dict.fromkeys(roles.values(), 0)
    for pid, role in roles.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            resident = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # a backend that has ended
        cpu[role] += (int(fields[11]) + int(fields[12])) / TICK
        memory[role] = max(memory[role], 1024 * int(resident.partition("Pss:")[2].split()[0]))
    return Used(cpu, memory)


def roles() -> dict[int, str]:
    """The product's processes and their children by what they do."""
    found = {os.getpid(): "load"}
    for process in told()["processes"]:
        for one in (process["pid"], *children(process["pid"])):
            found[one] = process["name"]
    return found


def told() -> dict[str, Any]:
    """Of the running product, by itself."""
    command = [sys.executable, "manage.py", "servers", "--json"]
    said: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return said


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def stored(site: Site) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingest_event WHERE site_id = %s", [site.pk])
        return int(cursor.fetchone()[0])


def wait_until_stored(site: Site, events: int, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while stored(site) < events and time.perf_counter() < until:
        time.sleep(0.1)


def percentile(values: list[float], share: float) -> float:
    return heapq.nlargest(max(1, int(len(values) * (1 - share))), values)[-1] * 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("key")
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--batch", type=int, default=10)
    arguments.add_argument("--rate", type=float, default=0.0)
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--addresses", type=int, default=5_000)
    given = arguments.parse_args()
    address = urlsplit(os.environ.get("BASE_URL") or told()["address"])
    assert address.hostname in ("127.0.0.1", "localhost"), "loads go to this machine only"
    site = Site.objects.get(key=given.key)
    templates = [template(given.key, address.netloc, given.batch, given.addresses) for _ in range(PREPARED // 10)]
    load = Load(address.hostname, address.port or 80, given.connections, templates)
    before, who = stored(site), roles()
    first = used(who)
    began = time.perf_counter()
    answered = load.run(given.seconds, given.rate)
    accepted = load.answers[b"202"]
    wait_until_stored(site, before + accepted * given.batch, 120)
    whole, last, events = time.perf_counter() - began, used(who), stored(site) - before
    report(load, given.batch, answered, whole, events)
    print(f"{'process':10s} {'us CPU/event':>12s} {'cores':>6s} {'MB before':>9s} {'MB after':>8s}")
    for role in sorted(set(who.values()), key=lambda role: first.cpu[role] - last.cpu[role]):
        seconds = last.cpu[role] - first.cpu[role]
        before_mb, after_mb = first.memory[role] / 1e6, last.memory[role] / 1e6
        per_event = seconds / max(1, events) * 1e6
        print(f"{role:10s} {per_event:12.1f} {seconds / whole:6.2f} {before_mb:9.0f} {after_mb:8.0f}")


def report(load: Load, batch: int, answered: float, whole: float, events: int) -> None:
    accepted, half = load.answers[b"202"], percentile(load.latencies, 0.5)
    print(f"answers {dict(load.answers)}")
    print(f"answered {accepted:,} requests of {batch} in {answered:.1f} s: {accepted / answered:,.0f} requests/s")
    print(f"stored {events:,} of {accepted * batch:,} events after {whole:.1f} s: {events / whole:,.0f} events/s")
    print(f"latency median {half:.1f} ms, 99 % {percentile(load.latencies, 0.99):.1f} ms")


if __name__ == "__main__":
    main()
