"""The daily partitions of the event table."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ingest import partitions, writer
from ingest.enrich import visitor


class Command(BaseCommand):
    help = "Makes the partitions of yesterday, today and the days ahead, and the salts of today and tomorrow."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--ahead", type=int, default=settings.INGEST_PARTITIONS_AHEAD, help="days")

    def handle(self, *args: Any, **options: Any) -> str:
        now = datetime.now(UTC)
        made = partitions.ensure(writer.connected(), partitions.ahead(now, options["ahead"]))
        visitor.salt_of(now.date())
        return f"Made {len(made)} partitions; {len(partitions.existing(writer.connected()))} in all."
