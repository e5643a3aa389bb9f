"""Which sites and days a command is about."""

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, timedelta

from django.core.management.base import CommandError

from ingest.fields import SHORT_MAX
from ingest.models import Site
from ingest.rollups.buckets import today
from ingest.sites import KnownSite

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def day(text: str) -> date:
    """Of an argument."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text[:20]}: is no day. Write it as 2026-11-01.") from None
    if not FIRST.date() <= found < LAST.date():
        raise ArgumentTypeError(f"{found}: must be from {FIRST.date()} to {LAST.date() - timedelta(days=1)}.")
    return found


def check_range(first: date | None, last: date | None) -> None:
    if first and last and first > last:
        raise CommandError(f"--from {first} --to {last}: the first day comes after the last.")


def check_begun(known: KnownSite, first: date | None, now: datetime) -> None:
    here = today(known.zone, now)
    if first and first > here:
        raise CommandError(f"--from {first}: must be {here} or earlier, which is today for {known.domain}.")


def sites(keys: list[str] | None, *, is_all: bool) -> list[KnownSite]:
    """Those of KEYS in their order, or all; also ones that are switched off."""
    if bool(keys) == is_all:
        raise CommandError("Say which: --site KEY, as often as you like, or --all. `manage.py sites` lists them.")
    if is_all:
        return [KnownSite.of(site) for site in Site.objects.order_by("pk")]
    return [_site(key) for key in dict.fromkeys(keys or ())]


def _site(key: str) -> KnownSite:
    found = Site.objects.filter(key=key).first() if key.isascii() else None  # what no UTF-8 holds cannot be sought
    if found is None:
        raise CommandError(f"--site {key[:SHORT_MAX]}: no site has this key. `manage.py sites` lists them.")
    return KnownSite.of(found)
