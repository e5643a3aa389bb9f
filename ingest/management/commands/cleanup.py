"""Takes away what has expired, as the nightly task does."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from tqdm import tqdm

from ingest import jobs
from ingest.alone import Taken, alone
from ingest.fields import SHORT_MAX
from ingest.jobs import Job
from ingest.models import JobRun, Site
from ingest.retention.cleanup import Cleaned, cleanup


class Command(BaseCommand):
    help = "Takes away the events, sessions and aggregates that their sites keep no longer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", metavar="KEY", help="of one site alone (default: all, and whole days)")
        parser.add_argument("--dry-run", action="store_true", help="count and take nothing away")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        site_ids = _ids(options["site"])
        try:
            done = _foreseen(site_ids) if options["dry_run"] else _cleaned(site_ids)
        except Taken as taken:
            raise CommandError(f"{taken} Wait for its end, or look at its row in the admin.") from taken
        except (DatabaseError, psycopg.Error) as error:
            again = "Run the same command again: what is done stays done."
            raise CommandError(f"{again} PostgreSQL says: {str(error).strip()}") from error
        if options["json"]:
            self.stdout.write(json.dumps(done._asdict()))
        else:
            self.stdout.write(str(done))
        if done.failed:
            raise CommandError("\n".join(done.failed))
        return ""


def _ids(key: str | None) -> list[int] | None:
    if key is None:
        return None
    site = Site.objects.filter(key=key).first()
    if site is None:
        raise CommandError(f"--site {key[:SHORT_MAX]}: no site has this key. `manage.py sites` lists them.")
    return [site.pk]


def _foreseen(site_ids: list[int] | None) -> Cleaned:
    with _Shown() as shown:
        return cleanup(datetime.now(UTC), dry_run=True, site_ids=site_ids, job=shown)


def _cleaned(site_ids: list[int] | None) -> Cleaned:
    with alone("cleanup"), jobs.run("cleanup", site_id=site_ids[0] if site_ids else None) as job, _Shown(job) as shown:
        done = cleanup(datetime.now(UTC), site_ids=site_ids, job=shown)
        job.detail, job.error = str(done), "\n".join(done.failed)
        return done


class _Shown(Job):
    """A run whose steps move a bar too, where somebody watches. Of a dry run no row is kept."""

    def __init__(self, job: Job | None = None) -> None:
        super().__init__(job.row if job else JobRun(task="cleanup"))
        self.job = job
        self.bar: tqdm[Any] = tqdm(unit="step", disable=None, file=sys.stderr, desc="Cleaning up")

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def step(self, done: int, rows: int = 0) -> None:
        self.bar.total = self.row.total
        self.bar.update(done - self.bar.n)
        if self.job is not None:
            self.job.step(done, rows)
