"""Fills a site with made-up traffic, to look at."""

import sys
import time
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ingest import sites
from ingest.demo.traffic import Scale, draw
from ingest.importers.line import Into
from ingest.importers.run import BATCH_EVENTS, Store
from ingest.models import Event, Site

NAME, DOMAIN = "Demo shop", "shop.example.com"


class Command(BaseCommand):
    help = "Fills a site that has no events with made-up traffic of the last days, up to now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how many, today included (default: 30)")
        parser.add_argument("--site", metavar="KEY", help=f"the site's key (default: {DOMAIN}, made when missing)")
        parser.add_argument("--seed", type=int, default=1, help="another number draws other traffic (default: 1)")
        parser.add_argument("--visitors-per-day", type=int, default=550, metavar="N", help="about (default: 550)")

    def handle(self, *args: Any, **options: Any) -> str:
        for name in ("days", "visitors_per_day"):
            if options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} {options[name]}: must be at least 1.")
        site = _site(options["site"])
        if Event.objects.filter(site_id=site.pk).exists():
            return f"{site} ({site.key}) has events already; none were added."
        stored = _fill(site, options["days"], options["visitors_per_day"], options["seed"])
        return f"{site} ({site.key}) has {stored:,} events of {options['days']} days now."


def _site(key: str | None) -> Site:
    if key is None:
        return Site.objects.get_or_create(domain=DOMAIN, defaults={"name": NAME})[0]
    site = Site.objects.filter(key=key).first()
    if site is None:
        raise CommandError(f"--site {key[:64]}: no site has this key. `manage.py sites` lists them.")
    return site


def _fill(site: Site, days: int, visitors_per_day: int, seed: int) -> int:
    """Returns how many events were stored."""
    now = datetime.now(site.zone)
    scale = Scale(site.domain, now.date() - timedelta(days=days - 1), now, visitors_per_day)
    store = Store(Into(sites.KnownSite.of(site), site.domain, time.time()))
    stored = 0
    for events in tqdm(draw(scale, seed), total=days, unit=" days", desc="Demo traffic", disable=None, file=sys.stderr):
        for start in range(0, len(events), BATCH_EVENTS):
            stored += store(events[start : start + BATCH_EVENTS]).stored
    return stored
