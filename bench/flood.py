"""What a flood from one address costs the others: `python bench/flood.py FLOODED_KEY OTHER_KEY [seconds] [requests/s]`.

Needs `manage.py up` over the same data folder. One sender floods a site with single events; from another address
(127.0.0.2) another site gets twenty requests a second, first alone, then beside the flood. Prints how the flood was
answered, the other's times in milliseconds, the memory of the web process before and after, and whether what was
answered 202 is stored and what was answered 429 is not.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from django.db import connection

from ingest.models import Site

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
CONNECTIONS, OTHERS_RATE = 40, 20
Place = tuple[str, int]


def request(key: str) -> bytes:
    event = {"id": str(uuid.uuid4()), "name": "pageview", "url": "https://shop.example.com/"}
    body = json.dumps({"site": key, "events": [event]})
    head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}User-Agent: {AGENT}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Sender:
    """Sends at a steady pace over connections of its own; keeps statuses and seconds."""

    def __init__(self, to: Place, key: str, rate: float, sender: str) -> None:
        self.to, self.key, self.pause, self.sender = to, key, 1 / rate, sender
        self.statuses: Counter[int] = Counter()
        self.times: list[float] = []

    async def run(self, seconds: float) -> None:
        reader, writer = await asyncio.open_connection(*self.to, local_addr=(self.sender, 0))
        due, end = time.perf_counter(), time.perf_counter() + seconds
        while due < end:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            started = time.perf_counter()
            writer.write(request(self.key))
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            self.times.append(time.perf_counter() - started)
            self.statuses[int(head.split(b" ", 2)[1])] += 1
            due += self.pause
        writer.close()


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)] * 1000


def told(name: str, sender: Sender) -> None:
    times = ", ".join(f"p{share * 100:g} {percentile(sender.times, share):.1f} ms" for share in (0.5, 0.95, 0.99))
    print(f"{name}: {dict(sender.statuses)}, {times}")


def memory_mib() -> dict[str, int]:
    """Of the web server and its workers, resident."""
    command = [sys.executable, "manage.py", "servers", "--json"]
    running = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (web,) = (one["pid"] for one in running["processes"] if one["name"] == "web")
    family = [web, *map(int, Path(f"/proc/{web}/task/{web}/children").read_text().split())]
    return {str(pid): resident_mib(pid) for pid in family}


def resident_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmRSS"))


def counted(site: Site) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT concat_ws(' ', outcome, nullif(reason, '')), sum(events)::int FROM ingest_count "
            "WHERE site_id = %s GROUP BY 1",
            [site.pk],
        )
        return dict(cursor.fetchall())


async def flood(to: Place, flooded: str, other: str, seconds: float, rate: int) -> list[Sender]:
    alone, beside = (Sender(to, other, OTHERS_RATE, "127.0.0.2") for _ in range(2))
    await alone.run(seconds)
    floods = [Sender(to, flooded, rate / CONNECTIONS, "127.0.0.1") for _ in range(CONNECTIONS)]
    await asyncio.gather(beside.run(seconds), *(sender.run(seconds) for sender in floods))
    together = Sender(to, flooded, rate, "")
    for sender in floods:
        together.statuses += sender.statuses
        together.times += sender.times
    return [alone, beside, together]


def main() -> None:
    flooded, other = sys.argv[1:3]
    seconds, rate = float([*sys.argv[3:], "20"][0]), int([*sys.argv[4:], "2000"][0])
    address = urlsplit(os.environ.get("BASE_URL", "http://127.0.0.1:8000"))
    assert address.hostname in ("127.0.0.1", "localhost"), "floods go to this machine only"
    site, to = Site.objects.get(key=flooded), ("127.0.0.1", address.port or 80)
    before, memory = counted(site), memory_mib()
    senders = asyncio.run(flood(to, flooded, other, seconds, rate))
    for name, sender in zip(("the other site, alone", "the other site, beside", "the flood"), senders, strict=True):
        told(name, sender)
    time.sleep(3)  # until all is written
    after = counted(site)
    added = {name: after[name] - before.get(name, 0) for name in after}
    print(f"counted: { {name: events for name, events in added.items() if events} }")
    print(f"web, MiB by process: {memory} before, {memory_mib()} after")


if __name__ == "__main__":
    main()
