"""Erases what is stored of one person."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ingest.management import person
from ingest.models import Site
from ingest.people import erasure, found, stream
from ingest.retention import archive
from ingest.sites import KnownSite

AGAIN = "Run the same command again: what is gone stays gone."


class Command(BaseCommand):
    help = "Erases everything that is stored of one person, aggregates included."

    def add_arguments(self, parser: CommandParser) -> None:
        person.add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="tell what is stored and erase nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> str:
        site, who = person.chosen(options)
        try:
            if options["dry_run"]:
                return f"Dry run: {found.find(KnownSite.of(site), who, seconds=0)}"
            if not options["yes"]:
                self.stderr.write(str(found.find(KnownSite.of(site), who, seconds=0)))
                _ask(site)
            stream.wait(stream.note())
            return str(erasure.erase(KnownSite.of(site), who, erasure.begin(site.pk, "erase_person")))
        except (stream.Waits, archive.Taken, archive.Unusable) as error:
            raise CommandError(f"{error} {AGAIN}") from error
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"{AGAIN} PostgreSQL says: {str(error).strip()}") from error


def _ask(site: Site) -> None:
    """Raises CommandError unless the site's name is typed."""
    try:
        typed = input(f"This cannot be undone. Type the name of the site ({site.name}) to erase it: ")
    except EOFError:
        raise CommandError("Nobody answers. Add --yes to erase without being asked.") from None
    if typed.strip() != site.name:
        raise CommandError(f"{typed.strip()}: is not {site.name}. Nothing was erased.")
