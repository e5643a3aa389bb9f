"""Where an event's time goes, stage by stage, in one process: `python bench/stages.py [events]`.

Needs the databases of the running product (or DATABASE_URL and REDIS_URL) and makes a site of its own, which it deletes
at the end. Prints for requests of one and of ten events what each stage of the door costs, and for blocks of 5,000
events what each stage of the writer costs itself and waits for PostgreSQL. Without HTTP; `bench/ingest.py` has the
whole road.
"""

import functools
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from bench.ingest import template
from bench.writer import batches, forget
from ingest import arrivals, body, garbage, pipeline, queue, writer
from ingest.event import Batch
from ingest.formats import native
from ingest.models import Site
from ingest.store import events, ledger, marks, sessions, visitors

REQUESTS, BLOCK = 3_000, 5_000
Seconds = defaultdict[str, float]


def door(site: Site, size: int) -> None:
    """Each stage over all requests, then the next: what one costs is not lost among the others."""
    requests = [template(site.key, "127.0.0.1", size, 5_000).filled().partition(b"\r\n\r\n") for _ in range(REQUESTS)]
    headers = dict(line.split(": ", 1) for line in requests[0][0].decode().lower().split("\r\n")[1:])
    found = known(site)

    def stage(label: str, work: Callable[[Any], Any], given: list[Any]) -> list[Any]:
        started = time.process_time()
        made = [work(one) for one in given]
        print(f"  {label:40s} {(time.process_time() - started) / len(given) * 1e6:8.1f} us a request")
        return made

    print(f"the door, {size} to a request")
    arrived = stage("headers", lambda one: arrivals.of(one[2], headers, "127.0.0.1", time.time()), requests)
    documents = stage("JSON", lambda one: body.read(one.body, one.content_type, ""), arrived)
    envelopes = stage("fields", lambda one: native.parse(one, time.time()), documents)
    results = stage("steps and limits", lambda one: pipeline._through(one, arrived[0], found), envelopes)
    stage("entry of the stream", lambda one: queue.entries_of([one.batch]), results)
    stage("answer", pipeline.accepted, results)


def known(site: Site) -> Any:
    found = pipeline.sites.by_key(site.key)
    assert found is not None
    return found


WRITING: list[tuple[str, Any, str]] = [
    ("site and order", writer, "_placed"),
    ("repeats: search by id", events, "stored"),
    ("visitors of named sessions", sessions, "adopt"),
    ("visitors", visitors, "save"),
    ("sessions: read and lock", sessions, "load"),
    ("sessions: fold, with agent and source", writer.Fold, "add"),
    ("sessions: write", sessions, "save"),
    ("events: COPY", events, "insert"),
    ("dirty hours", marks, "dirty"),
    ("ledger", ledger, "write"),
]


def writing(site: Site, count: int) -> None:
    own: Seconds = defaultdict(float)
    whole: Seconds = defaultdict(float)
    before = [(place, name, getattr(place, name)) for _, place, name in WRITING]
    for label, place, name in WRITING:
        setattr(place, name, timed(getattr(place, name), label, own, whole))
    requests = batches(site, count)
    encoded = [queue._encode(one) for one in requests]
    started, wall = time.process_time(), time.perf_counter()
    decoded: list[Batch] = queue._decode(queue._listed(encoded))
    own["entries of the stream"] = whole["entries of the stream"] = time.process_time() - started
    for start in range(0, len(decoded), BLOCK // 10):
        writer.write(decoded[start : start + BLOCK // 10])
    cpu, seconds = time.process_time() - started, time.perf_counter() - wall
    for place, name, function in before:
        setattr(place, name, function)
    print(f"the writer, blocks of {BLOCK:,} events, ten of each session")
    for label, taken in sorted(whole.items(), key=lambda one: -one[1]):
        waits = max(0.0, taken - own[label])
        print(f"  {label:40s} {own[label] / count * 1e6:8.1f} us an event, waits {waits / count * 1e6:5.1f} us")
    print(f"  {'all':40s} {cpu / count * 1e6:8.1f} us an event, waits {(seconds - cpu) / count * 1e6:5.1f} us")


def timed(function: Callable[..., Any], label: str, own: Seconds, whole: Seconds) -> Callable[..., Any]:
    @functools.wraps(function)
    def work(*args: Any, **kwargs: Any) -> Any:
        started, wall = time.process_time(), time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            own[label] += time.process_time() - started
            whole[label] += time.perf_counter() - wall

    return work


def main() -> None:
    garbage.search_seldom()  # as the processes do
    site = Site.objects.create(name="Bench", domain="bench.example.com")
    try:
        for size in (1, 10):
            door(site, size)
        writing(site, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    finally:
        forget(site)


if __name__ == "__main__":
    main()
