"""How many events the running product takes and stores: `python bench/door.py KEY [requests] [batch]`.

Needs `manage.py up`. Sends over keep-alive connections to this machine only, waits until all is in the tables,
prints requests and events per second, answered and stored. The load generator runs on the same cores.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from django.db import connection

from ingest.models import Site

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
CONNECTIONS = 16


def request(key: str, host: str, batch: int, number: int) -> bytes:
    events = [
        {"id": str(uuid.uuid4()), "name": "pageview", "url": f"https://shop.example.com/p/{number % 300}"}
        for _ in range(batch)
    ]
    body = json.dumps({"site": key, "events": [{**event, "visitor_id": f"v{number % 5000}"} for event in events]})
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def send(host: str, port: int, requests: list[bytes]) -> int:
    """One connection's share; returns how many were answered 202."""
    reader, writer = await asyncio.open_connection(host, port)
    accepted = 0
    for one in requests:
        writer.write(one)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        accepted += head.startswith(b"HTTP/1.1 202")
    writer.close()
    return accepted


async def flood(host: str, port: int, requests: list[bytes]) -> int:
    return sum(await asyncio.gather(*(send(host, port, requests[i::CONNECTIONS]) for i in range(CONNECTIONS))))


def stored(site: Site) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(events), 0) FROM ingest_count WHERE site_id = %s AND outcome = 'stored'", [site.pk]
        )
        return int(cursor.fetchone()[0])


def main() -> None:
    key, count, batch = sys.argv[1], int([*sys.argv[2:], "5000"][0]), int([*sys.argv[3:], "10"][0])
    address = urlsplit(os.environ.get("BASE_URL", "http://127.0.0.1:8000"))
    assert address.hostname in ("127.0.0.1", "localhost"), "loads go to this machine only"
    site = Site.objects.get(key=key)
    requests = [request(key, address.netloc, batch, number) for number in range(count)]
    before, started = stored(site), time.perf_counter()
    accepted = asyncio.run(flood(address.hostname, address.port or 80, requests))
    answered = time.perf_counter() - started
    while stored(site) - before < accepted * batch and time.perf_counter() - started < 120:
        time.sleep(0.05)
    whole = time.perf_counter() - started
    print(
        f"{accepted:,} of {count:,} requests of {batch} answered 202 in {answered:.2f} s: {accepted / answered:,.0f}/s"
    )
    print(f"{stored(site) - before:,} events stored after {whole:.2f} s: {accepted * batch / whole:,.0f} events/s")


if __name__ == "__main__":
    main()
