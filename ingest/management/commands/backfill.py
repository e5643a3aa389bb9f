"""Builds aggregates again from what is stored."""

import json
import time
from argparse import RawDescriptionHelpFormatter
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
from celery import current_app
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from kombu.exceptions import OperationalError

from ingest import tasks
from ingest.management import chosen
from ingest.management.progress import Progress
from ingest.rollups import backfill
from ingest.rollups.backfill import Filled, Spread
from ingest.sites import KnownSite

EPILOG = """\
It may be stopped and run again at any time: the same command goes on where it stopped, for two days. Days whose events
are gone stay as they were counted.
"""
MOST_JOBS = 64
PING_SECONDS = 3


class _Done(NamedTuple):
    known: KnownSite
    filled: Filled
    seconds: float


class Command(BaseCommand):
    help = "Builds the aggregates of sites again from their stored events and sessions."

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", action="append", metavar="KEY", help="a site's key; may be repeated")
        parser.add_argument("--all", action="store_true", help="every site")
        parser.add_argument("--from", metavar="DATE", type=chosen.day, help="the first day (default: of events)")
        parser.add_argument("--to", metavar="DATE", type=chosen.day, help="the last day, included (default: today)")
        parser.add_argument(
            "--jobs", type=int, default=1, metavar="N", help="parts handed to workers at a time (1: none)"
        )
        parser.add_argument("--restart", action="store_true", help="begin anew also where a run was interrupted")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        chosen.check_range(options["from"], options["to"])
        known = chosen.sites(options["site"], is_all=options["all"])
        try:
            spread = _spread(options["jobs"])
            done = [one for site in known if (one := _filled(site, options, spread))]
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"{AGAIN} PostgreSQL says: {str(error).strip()}") from error
        except OperationalError as error:
            raise CommandError(f"{AGAIN} The broker of the workers says: {error}") from error
        except KeyboardInterrupt as error:
            raise CommandError(AGAIN, returncode=130) from error
        told = _json(done) if options["json"] else _text(done)
        if any(one.filled.failed for one in done):
            self.stdout.write(told)
            raise CommandError("Not all days were built. Run the same command again: it tries those.")
        return told


AGAIN = "Stopped. Run the same command again: it goes on from there."


def _spread(jobs: int) -> Spread | None:
    if not 1 <= jobs <= MOST_JOBS:
        raise CommandError(f"--jobs {jobs}: must be from 1 to {MOST_JOBS}.")
    if jobs == 1:
        return None
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=PING_SECONDS)
            workers = current_app.control.ping(timeout=PING_SECONDS, connection=broker)
    except (OperationalError, OSError) as error:
        raise CommandError(
            f"--jobs {jobs}: the broker of the workers cannot be reached ({error}). See that the Redis of "
            "REDIS_CACHE_URL runs, or leave --jobs out: this process does it alone then."
        ) from error
    if not workers:
        raise CommandError(
            f"--jobs {jobs}: no worker answers within {PING_SECONDS} s. Start one with `celery -A analytics_site "
            "worker`, or leave --jobs out: this process does it alone then."
        )
    return Spread(_hand, jobs)


def _hand(site_id: int, days: list[date], run_id: int) -> None:
    tasks.backfill_days.delay(site_id, [day.isoformat() for day in days], run_id)


def _filled(known: KnownSite, options: dict[str, Any], spread: Spread | None) -> _Done | None:
    """None for a site without events."""
    now, started, first = datetime.now(UTC), time.monotonic(), options["from"]
    chosen.check_begun(known, first, now)
    with Progress(known.domain) as progress:
        filled = backfill.site(
            known, first, options["to"], now, is_anew=options["restart"], watch=progress, spread=spread
        )
    return _Done(known, filled, time.monotonic() - started) if filled else None


def _text(done: list[_Done]) -> str:
    return "\n".join(line for one in done for line in _lines(one)) or "No events, so nothing to build."


def _lines(one: _Done) -> list[str]:
    filled, seconds = one.filled, max(one.seconds, 0.001)
    resumed = f" It went on with the run of {filled.since:%Y-%m-%d %H:%M} UTC." if filled.since else ""
    rate = f"{filled.days / seconds:,.1f} days and {filled.events / seconds:,.0f} events a second"
    total = f"{one.known.domain} ({one.known.key}): {filled}{resumed} {seconds:,.1f} s, {rate}."
    return [total, *(f"  {failed}" for failed in filled.failed)]


def _json(done: list[_Done]) -> str:
    return json.dumps(
        [
            {
                "site": one.known.key,
                "days": one.filled.days,
                "hours": one.filled.hours,
                "events": one.filled.events,
                "rows": one.filled.rows,
                "gone": [day.isoformat() for day in one.filled.gone],
                "failed": list(one.filled.failed),
                "resumed_from": one.filled.since.isoformat() if one.filled.since else None,
                "seconds": round(one.seconds, 3),
            }
            for one in done
        ]
    )
