"""Events that the database refused, written again."""

from collections import Counter
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.db.models import QuerySet

from ingest.models import Quarantine, Site
from ingest.replay import Outcome, replay, told


class Command(BaseCommand):
    help = "Writes events in quarantine again, oldest first; those that are refused again stay, with the new reason."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--id", type=int, help="one entry, by its number in the admin")
        which.add_argument("--site", metavar="KEY", help="all entries of a site")
        which.add_argument("--all", action="store_true", help="all entries")
        parser.add_argument("--dry-run", action="store_true", help="tell what would happen and change nothing")

    def handle(self, *args: Any, **options: Any) -> str:
        found: Counter[Outcome] = Counter()
        try:
            for row in _chosen(options).order_by("pk").iterator(chunk_size=100):
                found[replay(row, is_trial=options["dry_run"])] += 1
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"Stopped after {told(found)} PostgreSQL says: {str(error).strip()}") from error
        return f"{'Dry run: ' if options['dry_run'] else ''}{told(found)}"


def _chosen(options: dict[str, Any]) -> QuerySet[Quarantine]:
    rows = Quarantine.objects.all()
    if options["id"] is not None:
        if not rows.filter(pk=options["id"]).exists():
            raise CommandError(f"--id {options['id']}: no such entry is in quarantine. The admin lists them.")
        return rows.filter(pk=options["id"])
    if options["site"] is not None:
        site = Site.objects.filter(key=options["site"]).first()
        if site is None:
            raise CommandError(f"--site {options['site'][:40]}: no site has this key. `manage.py sites` lists them.")
        return rows.filter(site_id=site.pk)
    return rows
