import time
import zoneinfo

import pytest

from ingest.importers.line import Into
from ingest.sites import KnownSite


def known_site(secret: bytes = b"k" * 32, allowed_hosts: tuple[str, ...] = ()) -> KnownSite:
    utc = zoneinfo.ZoneInfo("UTC")
    return KnownSite(1, "ff_key", "shop.example.com", utc, "returning", allowed_hosts, 1800, secret)


@pytest.fixture
def into() -> Into:
    return Into(known_site(), "shop.example.com", time.time())
