"""A new site, from the terminal."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.models import Site
from reports.members_setup import create_site
from reports.models import User


class Command(BaseCommand):
    help = "Makes a site and prints its key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", help="as it appears in reports; the domain when left out")
        parser.add_argument("--domain", required=True, help="such as shop.example.com")
        parser.add_argument("--timezone", default="UTC", help="such as Europe/Berlin")
        parser.add_argument("--identity", default=Site.Identity.RETURNING, choices=Site.Identity.values)
        parser.add_argument("--owner", metavar="EMAIL", help="whose site it is; the first owner when left out")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        fields = {name: options[name] for name in ("domain", "timezone", "identity")}
        try:
            site = create_site(_owner(options["owner"]), name=options["name"] or options["domain"], **fields)
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from error
        if options["json"]:
            return json.dumps({"key": site.key, "name": site.name, "domain": site.domain, "timezone": site.timezone})
        return f"{site.name} has the key {site.key}."


def _owner(email: str | None) -> User:
    users = User.objects.order_by("pk")
    found = users.filter(email=email.lower()) if email else users.filter(is_superuser=True)
    if (owner := found.first()) is None:
        raise CommandError(
            f"{email}: nobody has this address. Make the owner with manage.py create_owner."
            if email
            else "There is no owner yet. Make one with manage.py create_owner."
        )
    return owner
