"""Takes what a site's own rule covers out of what is stored."""

import sys
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from tqdm import tqdm

from ingest.fields import SHORT_MAX
from ingest.models import Shield, Site
from ingest.shields_past import DAYS, NotKept, TooLong, apply, preview, since_days


class Command(BaseCommand):
    help = "Applies a site's own rule to the past, or tells what that would take away."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", required=True, metavar="KEY", help="the site's key, as in its snippet")
        parser.add_argument("--rule", required=True, type=int, metavar="ID", help="the rule's number, as in the admin")
        parser.add_argument("--days", type=int, default=DAYS, help=f"how far back ({DAYS})")
        parser.add_argument("--dry-run", action="store_true", help="tell and take nothing away")

    def handle(self, *args: Any, **options: Any) -> str:
        shield, days = _shield(options["site"], options["rule"]), options["days"]
        if not 0 < days <= DAYS_MAX:
            raise CommandError(f"--days {days}: must be from 1 to {DAYS_MAX:,}.")
        try:
            return _told(shield, days) if options["dry_run"] else _applied(shield, days)
        except (NotKept, TooLong) as error:
            raise CommandError(str(error)) from error
        except (DatabaseError, psycopg.Error) as error:
            again = "Run the same command again: what is done stays done."
            raise CommandError(f"{again} PostgreSQL says: {str(error).strip()}") from error


DAYS_MAX = 3_650


def _shield(key: str, id_: int) -> Shield:
    shield = Shield.objects.select_related("site").filter(pk=id_, site__key=key).first()
    if shield is None and not Site.objects.filter(key=key).exists():
        raise CommandError(f"--site {key[:SHORT_MAX]}: no site has this key. `manage.py sites` lists them.")
    if shield is None:
        raise CommandError(f"--rule {id_}: the site {key[:SHORT_MAX]} has no such rule. The admin lists them.")
    return shield


def _told(shield: Shield, days: int) -> str:
    found = preview(shield.site, shield, days)
    return (
        f"Dry run: {shield} covers {found.events:,} events ({found.page_views:,} page views) of {found.sessions:,} "
        f"sessions, {found.whole_sessions:,} of them whole, since {found.since:%Y-%m-%d %H:%M} UTC."
    )


def _applied(shield: Shield, days: int) -> str:
    with tqdm(unit="day", disable=None, file=sys.stderr, desc="Applying") as bar:

        def moved(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        taken = apply(shield.site, shield, since_days(days), moved)
    return (
        f"{shield}: took {taken.events:,} events away from {taken.sessions:,} sessions; "
        f"{taken.hours:,} hours have other figures."
    )
