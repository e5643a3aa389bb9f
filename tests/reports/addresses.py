"""Every address that the product answers at, from its own routes: one that is added cannot be forgotten in a test."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from ingest.models import PersonRequest, Shield, Site
from reports.panels import BY_TAB

BEHIND = re.compile("/exclusions|/keeping/|/people")  # for whoever may change the site, or to be sent something


def routes(patterns: list[URLPattern | URLResolver] | None = None, before: str = "") -> Iterator[str]:
    """As they are written: `sites/<str:key>/now`."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def filled(route: str, site: Site) -> list[str]:
    """The addresses of a route; a KeyError for a parameter that nobody has given values here."""
    values: dict[str, list[Any]] = {
        "str:key": [site.key],
        "slug:part": ["figures", "sources"],
        "slug:name": ["pause", "hosts"],
        "tab:tab": list(BY_TAB),
        "int:rule": [_rule(site)],
        "int:number": [PersonRequest.objects.get_or_create(site=site, kind=PersonRequest.Kind.ERASURE)[0].pk],
    }
    choices = [values[name] for name in re.findall(r"<([^>]+)>", route)]
    return ["/" + re.sub(r"<[^>]+>", "%s", route) % chosen for chosen in product(*choices)]


def _rule(site: Site) -> int:
    return Shield.objects.get_or_create(site=site, kind=Shield.Kind.PATH, value="/preview/**")[0].pk


def of_site(site: Site) -> list[str]:
    """Of the pages of one site that every member may read, and of their parts and files."""
    read = [route for route in routes() if route.startswith("sites/<") and not BEHIND.search(route)]
    return [address for route in read for address in filled(route, site)]
