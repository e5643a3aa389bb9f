"""The same events in four orders: `python bench/orders.py [--events 5000] [--seed 1] [--zone Europe/Berlin]`.

Uses the database of the running product (or DATABASE_URL) and a site of its own for each order, which it deletes at the
end. Prints a checksum of all that each order leaves: sessions, visitors, events and aggregates, without the ids that
depend on what came first. They must be equal; the exit code says whether they are.
"""

import argparse
import logging
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from ingest import partitions, writer
from tests.agreement import orders
from tests.agreement.places import PLACES, Place
from tests.agreement.plans import Build, Plan, Step, Write
from tests.agreement.world import World

DRAINS = 3  # on the way


def left(place: Place, sending: orders.Sending) -> tuple[str, int]:
    """Checksum of what SENDING leaves, and its sessions."""
    every = max(len(sending) // DRAINS, 1)
    steps: list[Step] = []
    for number, events in enumerate(sending, 1):
        steps.append(Write(events))
        if number % every == 0:
            steps.append(Build("hours", timedelta(minutes=5)))
    world = World(Plan(place, place.midnights[-1] + timedelta(hours=20), steps))
    try:
        world.carry_out()
        tables = orders.left(world.site.pk)
        return orders.checksum(tables), len(tables["ingest_session"])
    finally:
        world.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000, help="how many (5,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the events and of the orders (1)")
    parser.add_argument("--zone", choices=sorted({place.key for place in PLACES}), default="Europe/Berlin")
    told = parser.parse_args()
    logging.disable(logging.WARNING)
    place = next(place for place in PLACES if place.key == told.zone)
    partitions.ensure(writer.connected(), place.days_in_utc)
    chance = Random(told.seed)
    events = orders.history(chance, place, told.events)
    checksums = set()
    for name, sending in orders.orders(chance, events).items():
        started = time.perf_counter()
        checksum, sessions = left(place, sending)
        checksums.add(checksum)
        print(f"{name:<20}{len(sending):>7,} batches {sessions:>7,} sessions  {checksum}", end="  ")
        print(f"{time.perf_counter() - started:5.1f} s", flush=True)
    print("equal" if len(checksums) == 1 else "DIFFERENT")
    return 0 if len(checksums) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
