"""What runs, for people and for scripts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics_site import embedded, supervision
from analytics_site.embedded import state


class Command(BaseCommand):
    help = "Shows the addresses of Footfall, PostgreSQL and Redis, and the processes that manage.py up runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON, with the passwords in the addresses")

    def handle(self, *args: Any, **options: Any) -> str:
        data = embedded.data_dir()
        running = state.read(data)
        if running is None:
            raise CommandError(f"Nothing runs for the data folder {data}. Start it with bin/up.")
        found = {
            "address": running.address,
            "database_url": embedded.database_url(),
            "redis_url": settings.REDIS_URL,
            "pid": running.pid,
            "processes": [asdict(process) for process in supervision.processes(Path(running.supervisor))],
        }
        return json.dumps(found, indent=2) if options["json"] else table(found)


def table(found: dict[str, Any]) -> str:
    rows = [("process", "pid", "state"), ("up", found["pid"], "running")]
    rows += [(process["name"], process["pid"] or "", process["state"]) for process in found["processes"]]
    lines = [f"{name:<10}{pid:>8}  {word}" for name, pid, word in rows]
    return "\n".join([f"Dashboard at {found['address']}", "", *lines])
