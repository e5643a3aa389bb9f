"""Puts archived events back into the event table, to be read or exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ingest.fields import SHORT_MAX
from ingest.models import Site
from ingest.retention import archive
from ingest.retention.archive import Restored


class Command(BaseCommand):
    help = "Puts the events of archived days back into the event table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="files of INGEST_ARCHIVE_DIR, or copies of them")
        parser.add_argument("--site", metavar="KEY", help="the events of one site alone")

    def handle(self, *args: Any, **options: Any) -> str:
        only = _id(options["site"])
        keys = dict(Site.objects.values_list("pk", "key"))
        done = [_restored(Path(name), keys, only) for name in options["files"]]
        return "\n".join([*(_told(one) for one in done), STAYS.format(day=min(one.day for one in done))])


STAYS = (
    "Figures stay as they were counted while these days were whole. The next cleanup takes the events away again, "
    "unless their site keeps events as old as those of {day} by then: raise its days of events."
)


def _id(key: str | None) -> int | None:
    if key is None:
        return None
    site = Site.objects.filter(key=key).first()
    if site is None:
        raise CommandError(f"--site {key[:SHORT_MAX]}: no site has this key. `manage.py sites` lists them.")
    return site.pk


def _restored(path: Path, keys: Mapping[int, str], only: int | None) -> Restored:
    try:
        return archive.restore(path, keys, only)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}.") from error
    except archive.Unusable as error:
        raise CommandError(str(error)) from error
    except archive.Taken as taken:
        raise CommandError(f"{path}: {taken} Run the same command again when that has ended.") from taken
    except (DatabaseError, psycopg.Error) as error:
        again = "Run the same command again: what is stored already is left as it is."
        raise CommandError(f"{path}: {again} PostgreSQL says: {str(error).strip()}") from error


def _told(done: Restored) -> str:
    notes = [f"{done.repeated:,} were there already"] if done.repeated else []
    notes += [f"{done.gone:,} are of sites that do not exist here"] if done.gone else []
    return f"{done.day}: {done.stored:,} of {done.rows:,} events put back{''.join(f', {note}' for note in notes)}."
