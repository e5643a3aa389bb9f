"""Brings in a history: access logs of a web server, or events from a file."""

import json
import sys
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from tqdm import tqdm

from ingest import sites
from ingest.fields import SHORT_MAX
from ingest.importers import FORMATS
from ingest.importers.age import Ages
from ingest.importers.line import Into, Outcome
from ingest.importers.lines import Line, Lines, opened
from ingest.importers.run import Store, Tally, pretend, run
from ingest.models import Site

EPILOG = """\
Run it again at any time: a line that was taken before is recognised and changes nothing, also in a file that
overlaps with others or that grew since. An import that was interrupted goes on where it stopped.
"""
STEP = 1_000  # lines between two movements of the bar


class Command(BaseCommand):
    help = "Imports an access log or a file of events into a site."

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a file, plain or gzip, or - for standard input")
        parser.add_argument("--format", required=True, choices=sorted(FORMATS), help="what the lines are")
        parser.add_argument("--site", required=True, metavar="KEY", help="the site's key, as in its snippet")
        parser.add_argument("--host", help="host of lines that name none (default: the site's domain)")
        parser.add_argument("--keep", action="store_true", help="let the site keep events and sessions as old as these")
        parser.add_argument("--dry-run", action="store_true", help="count and store nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        tally, started = Tally(), time.monotonic()
        try:
            into = _into(options["site"], options["host"])
            is_dry = options["dry_run"]
            ages = Ages(_row(into), into.now, self.stderr.write, keep=options["keep"] and not is_dry)
            write = ages.before(pretend if is_dry else Store(into))
            with opened(options["file"]) as lines, _bar(lines) as bar:
                run(_watched(lines, bar), FORMATS[options["format"]], into, write, tally)
        except (OSError, EOFError) as error:
            raise CommandError(f"{options['file']}: {getattr(error, 'strerror', None) or error}.") from error
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"{_stopped(tally)} PostgreSQL says: {str(error).strip()}") from error
        except KeyboardInterrupt as error:
            raise CommandError(_stopped(tally), returncode=130) from error
        seconds = time.monotonic() - started
        return (_json if options["json"] else _table)(options, tally, ages, seconds)


def _into(key: str, host: str | None) -> Into:
    site = sites.by_key(key)
    if site is None:
        raise CommandError(f"--site {key[:SHORT_MAX]}: no active site has this key. `manage.py sites` lists them.")
    return Into(site, (host or site.domain).lower(), time.time())


def _row(into: Into) -> Site:
    return Site.objects.get(pk=into.site.id)


def _bar(lines: Lines) -> "tqdm[Any]":
    """Over the bytes of the file; silent where nobody watches (`disable=None`: standard error is no terminal)."""
    return tqdm(total=lines.size, unit="B", unit_scale=True, disable=None, file=sys.stderr, desc="Importing")


def _watched(lines: Lines, bar: "tqdm[Any]") -> Iterator[Line]:
    started = time.monotonic()
    for line in lines:
        yield line
        if line.number % STEP == 0:
            bar.set_postfix_str(f"{line.number / (time.monotonic() - started):,.0f} lines/s", refresh=False)
            bar.update(lines.position - bar.n)
    bar.update(lines.position - bar.n)


def _stopped(tally: Tally) -> str:
    return f"Stopped after {tally.lines:,} lines. Run the same command again: it goes on from there."


def _table(options: dict[str, Any], tally: Tally, ages: Ages, seconds: float) -> str:
    counts = [(outcome, count) for outcome, count in tally.outcomes.items() if count]
    rows = [f"{count:>12,}  {outcome:<14} {outcome.sentence}" for outcome, count in counts]
    total = f"{tally.lines:>12,}  lines in {seconds:.1f} s ({tally.lines / max(seconds, 0.001):,.0f} a second)"
    samples = [f"  line {sample.line}: {sample.reason}" for sample in tally.malformed]
    shown = len(samples) < tally.outcomes[Outcome.MALFORMED]
    return "\n".join(
        [
            *(["Dry run: nothing was stored."] if options["dry_run"] else []),
            *rows,
            total,
            *([told] if (told := ages.told()) else []),
            *([f"Malformed{', the first of them' if shown else ''}:", *samples] if samples else []),
        ]
    )


def _json(options: dict[str, Any], tally: Tally, ages: Ages, seconds: float) -> str:
    return json.dumps(
        {
            "format": options["format"],
            "site": options["site"],
            "dry_run": options["dry_run"],
            "lines": tally.lines,
            "outcomes": {str(outcome): count for outcome, count in tally.outcomes.items()},
            "malformed": [sample._asdict() for sample in tally.malformed],
            "older": {"than_events": ages.past_events, "than_sessions": ages.past_sessions},
            "seconds": round(seconds, 3),
        }
    )
