"""Holds aggregates to what is stored."""

import json
import logging
from argparse import RawDescriptionHelpFormatter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ingest.management import chosen
from ingest.management.progress import Progress
from ingest.rollups import repair, verify
from ingest.rollups.repair import Repaired
from ingest.rollups.verify import Report
from ingest.sites import KnownSite

EPILOG = """\
Ends with 0 when everything agrees, with 1 when something differs (or still does after --repair), with 2 when it could
not run. A bucket that waits to be built again is pending, and no difference.
"""
log = logging.getLogger(__name__)
MOST_SHOWN = 50
MOST_LISTED = 1_000  # of JSON
DIFFERS, FAILED = 1, 2


class _Done(NamedTuple):
    """`before` is what was found, where it was repaired and checked again."""

    report: Report
    before: Report | None
    repaired: Repaired | None


class Command(BaseCommand):
    help = "Counts stored events again and tells where aggregates or sessions differ from them."

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", action="append", metavar="KEY", help="a site's key; may be repeated")
        parser.add_argument("--all", action="store_true", help="every site")
        parser.add_argument("--from", metavar="DATE", type=chosen.day, help="the first day (default: of all)")
        parser.add_argument("--to", metavar="DATE", type=chosen.day, help="the last day, included (default: today)")
        parser.add_argument("--repair", action="store_true", help="build again what differs, and check it again")
        parser.add_argument("--strict", action="store_true", help="what waits to be built counts as different")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            chosen.check_range(options["from"], options["to"])
            known = chosen.sites(options["site"], is_all=options["all"])
            done = [_done(site, options) for site in known]
        except CommandError as error:
            error.returncode = FAILED
            raise
        except (DatabaseError, psycopg.Error) as error:
            told = f"Stopped; run it again. PostgreSQL says: {str(error).strip()}"
            raise CommandError(told, returncode=FAILED) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped; nothing is left half done.", returncode=FAILED) from error
        except Exception as error:  # Python ends with 1, which says that something differs
            log.exception("The check could not go on.")
            raise CommandError(f"Stopped. {type(error).__name__}: {error}", returncode=FAILED) from error
        told = _json(done) if options["json"] else "\n".join(line for one in done for line in _lines(one))
        if any(one.report.drifted for one in done):
            self.stdout.write(told)
            raise CommandError("Aggregates differ from what is stored.", returncode=DIFFERS)
        return told


def _done(known: KnownSite, options: dict[str, Any]) -> _Done:
    now, is_strict = datetime.now(UTC), options["strict"]
    chosen.check_begun(known, options["from"], now)
    with Progress(known.domain) as progress:
        found = verify.site(known, options["from"], options["to"], now, is_strict=is_strict, watch=progress)
    if not (options["repair"] and found.drifted):
        return _Done(found, None, None)
    with Progress(f"{known.domain}, repairing") as progress:
        repaired = repair.repair(known, found.checked, now, progress)
    with Progress(f"{known.domain}, again") as progress:
        return _Done(verify.days(known, repaired.days, now, is_strict=is_strict, watch=progress), found, repaired)


# --- What is told -----------------------------------------------------------------------------------------


def _lines(one: _Done) -> list[str]:
    site = f"{one.report.known.domain} ({one.report.known.key})"
    if one.before is None or one.repaired is None:
        return [f"{site}: {one.report}", *_shown(one.report)]
    mended = f"Built {len(one.repaired.days):,} days and {one.repaired.sessions:,} sessions again."
    return [
        f"{site}: {one.before}",
        *_shown(one.before),
        " ".join([mended, *one.repaired.failed]),
        f"Now: {one.report}",
        *_shown(one.report),
    ]


def _shown(report: Report) -> list[str]:
    drifts = report.drifts[:MOST_SHOWN]
    more = report.drifted - len(drifts)
    return [*(f"  {drift}" for drift in drifts), *([f"  and {more:,} more"] if more else [])]


def _json(done: list[_Done]) -> str:
    return json.dumps([{**_told(one.report), **_repaired(one)} for one in done])


def _told(report: Report) -> dict[str, Any]:
    return {
        "site": report.known.key,
        "days": len(report.checked) - len(report.gone),
        "events": report.events,
        "differences": report.drifted,
        "days_that_differ": [one.day.date.isoformat() for one in report.wrong],
        "sessions_that_differ": report.sessions,
        "first_differences": [drift._asdict() for drift in report.drifts[:MOST_LISTED]],
        "pending": report.pending,
        "gone": [day.isoformat() for day in report.gone],
    }


def _repaired(one: _Done) -> dict[str, Any]:
    if one.before is None or one.repaired is None:
        return {}
    days = [day.date.isoformat() for day in one.repaired.days]
    failed = list(one.repaired.failed)
    return {
        "before": _told(one.before),
        "repaired": {"days": days, "sessions": one.repaired.sessions, "failed": failed},
    }
