"""The writer's process."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingest import garbage, keeping
from ingest.drain import Drain


class Command(BaseCommand):
    help = "Writes accepted events from the stream into the tables until it is told to stop."

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            keeping.check()
        except keeping.Unfit as error:
            raise CommandError(str(error)) from error
        garbage.search_seldom()
        drain = Drain()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: drain.stop())
        written = drain.run()
        return f"Stopped. {written:,} events were stored."
