"""What in the settings of ingestion cannot do what it is meant to; shown whenever a command starts."""

import importlib.util
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from ingest.enrich import geo


@checks.register
def settings_fit(**_: Any) -> list[CheckMessage]:
    return list(_found())


def _found() -> Iterator[CheckMessage]:
    for sentence in geo.shortcomings():
        yield checks.Warning(sentence, id="ingest.W001")
    if settings.INGEST_COUNTRY_HEADER and not settings.INGEST_TRUSTED_PROXIES:
        yield checks.Warning(
            f"INGEST_COUNTRY_HEADER={settings.INGEST_COUNTRY_HEADER}: not believed while INGEST_TRUSTED_PROXIES is 0.",
            hint="Without a proxy of yours in front anybody could send it. See docs/settings.md#ingestion.",
            id="ingest.W002",
        )
    if settings.INGEST_ARCHIVE_DIR and importlib.util.find_spec("pyarrow") is None:
        yield checks.Error(
            f"INGEST_ARCHIVE_DIR={settings.INGEST_ARCHIVE_DIR}: nothing can be archived without pyarrow.",
            hint="pip install -r requirements-archive.txt, or leave it empty. See docs/settings.md#ingestion.",
            id="ingest.E001",
        )
    if settings.ALERT_EMAILS and not settings.EMAIL_HOST:
        yield checks.Warning(
            f"ALERT_EMAILS={','.join(settings.ALERT_EMAILS)}: nobody is told while EMAIL_HOST is empty.",
            hint="Name your mail server. See docs/settings.md#alerts.",
            id="ingest.W003",
        )
