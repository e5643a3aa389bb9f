"""The whole product on one machine, with one command."""

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics_site import embedded
from analytics_site.launch import Launch, Plan

DAYS = 30


class Command(BaseCommand):
    help = "Starts PostgreSQL, Redis, the web server, the writer and the periodic tasks, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
        parser.add_argument("--data", metavar="DIR", help="data folder (FOOTFALL_DATA, or var in the clone)")
        parser.add_argument("--demo", action="store_true", help=f"fill the demo site with {DAYS} days of traffic")

    def handle(self, *args: Any, **options: Any) -> str | None:
        if options["data"]:
            os.environ["FOOTFALL_DATA"] = str(Path(options["data"]).expanduser())
        # SIGINT too: a shell starts what it puts in the background with that signal ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            self.run(Plan(embedded.data_dir(), options["host"], options["port"]), options["demo"])
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return "Stopped."
        return None

    def run(self, plan: Plan, demo: bool) -> None:
        with Launch(plan) as launch:
            launch.start_servers()
            owner = launch.prepare(demo)
            if demo and owner["site"]:
                launch.fill(owner["site"], DAYS)
            launch.start_product()
            launch.quieten()
            self.stdout.write(welcome(plan.address, owner["email"], owner["password"]))
            self.stdout.flush()
            launch.serve()


def welcome(address: str, email: str | None, password: str | None) -> str:
    kept = f"as shown at the first start; a new one: manage.py changepassword {email}"
    rows = (("Dashboard", address), ("E-mail", email), ("Password", password or kept))
    table = "\n".join(f"  {name:<10} {value}" for name, value in rows)
    return f"\nFootfall runs. Stop it with Ctrl-C.\n\n{table}\n"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The end of the terminal, or `kill`, is Ctrl-C."""
    raise KeyboardInterrupt
