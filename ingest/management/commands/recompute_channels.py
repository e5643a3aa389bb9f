"""Finds the source and channel of stored sessions again."""

import sys
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ingest import channels_past, sites, writer
from ingest.fields import SHORT_MAX
from ingest.management import chosen
from ingest.sites import KnownSite

SHOWN = 20  # changes from one channel to another


class Command(BaseCommand):
    help = "Finds the source and channel of a site's stored sessions again, by the lists and rules of this version."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", required=True, metavar="KEY", help="the site's key, as in its snippet")
        parser.add_argument(
            "--from", metavar="DATE", type=chosen.day, help="the first day, as 2026-11-01 (default: all)"
        )
        parser.add_argument("--to", metavar="DATE", type=chosen.day, help="the last day, included (default: all)")
        parser.add_argument("--dry-run", action="store_true", help="count and change nothing")

    def handle(self, *args: Any, **options: Any) -> str:
        site = sites.by_key(options["site"])
        if site is None:
            key = options["site"][:SHORT_MAX]
            raise CommandError(f"--site {key}: no active site has this key. `manage.py sites` lists them.")
        since, until = _range(site, options["from"], options["to"])
        sessions, changes = 0, Counter[tuple[str, str]]()
        done = channels_past.recompute(writer.connected(), site, since, until, is_dry=options["dry_run"])
        try:
            # Silent where nobody watches (`disable=None`: standard error is no terminal).
            with tqdm(unit=" sessions", disable=None, file=sys.stderr, desc="Recomputing") as bar:
                for part in done:
                    bar.update(part.sessions)
                    sessions, changes = sessions + part.sessions, changes + part.changes
        except psycopg.Error as error:
            told = str(error).strip()
            raise CommandError(f"Stopped after {sessions:,} sessions. Run it again. PostgreSQL says: {told}") from error
        return _told(sessions, changes, options["dry_run"])


def _range(site: KnownSite, first: date | None, last: date | None) -> tuple[datetime, datetime]:
    """Whole days of the site's time zone."""
    chosen.check_range(first, last)
    since = datetime.combine(first, time.min, site.zone) if first else chosen.FIRST
    until = datetime.combine(last + timedelta(days=1), time.min, site.zone) if last else chosen.LAST
    return since, until


def _told(sessions: int, changes: Counter[tuple[str, str]], is_dry: bool) -> str:
    rows = [f"{number:>12,}  {_change(*channels)}" for channels, number in changes.most_common(SHOWN)]
    total = f"{changes.total():,} of {sessions:,} sessions {'would change' if is_dry else 'changed'}."
    return "\n".join([*rows, total])


def _change(before: str, after: str) -> str:
    return f"{before} -> {after}" if before != after else f"{after}, from another source"
