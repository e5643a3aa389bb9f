"""One event of each wire format, from the request to the figure on the page."""

import json
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from ingest.drain import Drain
from ingest.models import Site
from reports.members_setup import create_site
from reports.models import User

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
EVENT = {
    "name": "pageview",
    "url": "https://shop.example.com/pricing?utm_source=newsletter&utm_medium=email",
    "referrer": "https://www.google.com/",
}
REQUESTS = {
    "native": ("/api/v1/events", lambda key: {"site": key, "events": [{**EVENT, "id": str(uuid.uuid4())}]}),
    "native, one event": ("/api/v1/events", lambda key: {"site": key, **EVENT}),
}


@pytest.fixture
def owner(transactional_db: None) -> User:
    return User.objects.create_user("alice@example.com", "a-long-enough-password")


@pytest.fixture
def shop(owner: User) -> Site:
    return create_site(owner, name="Shop", domain="shop.example.com", timezone="Europe/Berlin")


def figure(page: str, label: str) -> str:
    """The figure of a KPI, as a screen reader says it: "Visitors 18, up …"."""
    found = re.search(rf'aria-label="{label} ([^",]+)', page)
    assert found, f"no {label} on the page"
    return found[1].strip()


@pytest.mark.parametrize("format_name", REQUESTS)
def test_an_event_becomes_a_figure_on_the_page(
    format_name: str, client: Client, owner: User, shop: Site, settings: Any
) -> None:
    path, document = REQUESTS[format_name]
    answer = client.post(
        path, json.dumps(document(shop.key)), content_type="application/json", headers={"User-Agent": BROWSER}
    )
    assert answer.status_code == 202, answer.content
    Drain().turn()
    client.force_login(owner)
    page = client.get(f"/sites/{shop.key}?period=today").content.decode()
    assert (figure(page, "Visitors"), figure(page, "Page views")) == ("1", "1")
    assert "/pricing" in page
    assert "Chrome" in page
