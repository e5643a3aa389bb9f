"""Everything that must be in the database before the first request, in one short-lived process."""

import json
import sys
import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from analytics_site import env
from ingest import keeping
from ingest.models import Site
from reports.members_setup import create_site, ensure_owner
from reports.models import User

DEMO = {"name": "Demo shop", "domain": "shop.example.com"}
WAIT_SECONDS = 120


class Command(BaseCommand):
    help = "Waits for PostgreSQL, then migrates and makes the partitions, the first owner and the demo site."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=int, default=WAIT_SECONDS, help="seconds for PostgreSQL to answer")
        parser.add_argument("--demo", action="store_true", help="make the demo site even beside other sites")

    def handle(self, *args: Any, **options: Any) -> str:
        """Prints `{"email": …, "password": …, "site": …}`; what was there before has null as its password."""
        if env.text("REDIS_URL"):  # the embedded one starts beside this, with our settings
            check_redis()
        wait_for_database(options["wait"])
        if has_migrations():
            call_command("migrate", interactive=False, stdout=sys.stderr)
        call_command("partitions", stdout=sys.stderr)
        wanted = env.text("FOOTFALL_OWNER_EMAIL", "owner@example.com")
        email, password = ensure_owner(wanted, env.text("FOOTFALL_OWNER_PASSWORD"))
        return json.dumps({"email": email, "password": password, "site": demo_site(email, options["demo"])})


def check_redis() -> None:
    try:
        keeping.check()
    except keeping.Unfit as error:
        raise CommandError(str(error)) from error


def wait_for_database(seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError as error:
            if time.monotonic() > end:
                raise CommandError(_unreachable(seconds, error)) from error
        time.sleep(0.05)


def _unreachable(seconds: float, error: OperationalError) -> str:
    place = f"{connection.settings_dict['HOST']}:{connection.settings_dict['PORT'] or 5432}"
    return (
        f"PostgreSQL at {place} did not answer within {seconds} s ({str(error).splitlines()[0]}). Check DATABASE_URL."
    )


def has_migrations() -> bool:
    """Whether any is left to run; asking costs a third of `migrate`."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def demo_site(email: str, is_wanted: bool) -> str | None:
    """The demo site's key. It is made for an installation without sites, or when wanted."""
    found = Site.objects.filter(domain=DEMO["domain"]).order_by("pk").first()
    if found is None and (is_wanted or not Site.objects.exists()):
        found = create_site(User.objects.get(email=email), **DEMO)
    return found.key if found else None
