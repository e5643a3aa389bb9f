"""All sites, from the terminal."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ingest.models import Site

FIELDS = ("key", "name", "domain", "timezone", "is_active")


class Command(BaseCommand):
    help = "Lists the sites with their keys."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        sites = list(Site.objects.order_by("pk").values(*FIELDS))
        if options["json"]:
            return json.dumps(sites)
        return "\n".join(f"{site['key']}  {site['domain']}  {site['timezone']}" for site in sites) or "No sites yet."
