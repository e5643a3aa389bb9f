"""Hands out what is stored of one person."""

import sys
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ingest.management import person
from ingest.models import Site
from ingest.people import export
from ingest.people.find import Who
from ingest.people.found import Found


class Command(BaseCommand):
    help = "Writes everything that is stored of one person into a JSON file."

    def add_arguments(self, parser: CommandParser) -> None:
        person.add_arguments(parser)
        parser.add_argument("--output", metavar="FILE", help="a new file; standard output when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        site, who = person.chosen(options)
        try:
            found = _written(site, who, options["output"])
        except OSError as error:
            raise CommandError(f"--output {options['output']}: {error.strerror or error}.") from error
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"PostgreSQL says: {str(error).strip()}") from error
        export.recorded(site.pk, "export_person", found)
        self.stderr.write(str(found))


def _written(site: Site, who: Who, path: str | None) -> Found:
    """A file that exists is left alone: one person's data must not replace another's."""
    if path is None:
        return export.export(site, who, sys.stdout.buffer)
    file = Path(path)
    with file.open("xb") as into:
        file.chmod(0o600)
        try:
            return export.export(site, who, into)
        except BaseException:
            file.unlink()  # half of what is stored would pass for all of it
            raise
