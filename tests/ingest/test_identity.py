"""Who is the same visitor where events name none; docs/acquisition.md#visitors-without-an-id."""

import json
from typing import Any

import pytest

from ingest.models import Site
from ingest.pipeline import collect
from tests.ingest.examples import ADDRESS, CHROME, arrival, document, waiting

PAGE = "https://shop.example.com/"


def visitor(site: Site, url: str = PAGE, **request: Any) -> int:
    """The visitor of a page view that came so."""
    answer = collect(arrival(document(site, {"name": "pageview", "url": url}), **request))
    assert json.loads(answer.body)["accepted"] == 1
    return waiting()[-1].events[-1].visitor_id


def test_it_works(site: Site) -> None:
    assert visitor(site, address=ADDRESS, user_agent=CHROME) == visitor(site, address=ADDRESS, user_agent=CHROME)


@pytest.mark.parametrize(
    "other",
    [{"address": "198.51.100.4"}, {"user_agent": f"{CHROME}!!"}, {"address": "2001:db8::1"}, {"user_agent": "curl/8"}],
)
def test_another_address_or_agent_is_another_visitor(site: Site, other: dict[str, str]) -> None:
    assert visitor(site) != visitor(site, **other)


def test_another_site_has_other_visitors(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    assert visitor(site) != visitor(other)


@pytest.mark.parametrize(
    "url", ["https://app.shop.example.com/", "https://another.example/", "http://shop.example.com/b"]
)
def test_a_site_has_one_visitor_on_all_its_hosts(site: Site, url: str) -> None:
    assert visitor(site) == visitor(site, url)


def test_the_language_of_a_browser_makes_no_visitor(site: Site) -> None:
    assert visitor(site, language="de") == visitor(site, language="en")
