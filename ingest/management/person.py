"""Whom a command is about: the options that `export_person` and `erase_person` share."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ingest.fields import SHORT_MAX
from ingest.models import Site
from ingest.people import find
from ingest.people.find import Unclear, Who
from ingest.sites import KnownSite


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--site", required=True, metavar="KEY", help="the site's key, as in its snippet")
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--user", metavar="ID", help="the user id that was given to identify")
    one.add_argument("--visitor", metavar="ID", help="the id that the browser keeps, or the ID that the admin lists")


def chosen(options: dict[str, Any]) -> tuple[Site, Who]:
    """Raises CommandError."""
    site = Site.objects.filter(key=options["site"]).first()
    if site is None:
        raise CommandError(f"--site {options['site'][:SHORT_MAX]}: no site has this key. `manage.py sites` lists them.")
    try:
        if options["user"] is not None:
            return site, find.by_user(options["user"])
        return site, find.by_visitor(KnownSite.of(site), options["visitor"])
    except Unclear as error:
        raise CommandError(str(error)) from error
