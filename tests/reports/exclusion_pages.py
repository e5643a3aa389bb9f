"""The pages of a site's exclusions as the tests open, send and read them."""

import re
from datetime import timedelta
from typing import Any

from django.utils.timezone import now

from ingest.models import Shield, Site
from tests.reports.cast import Cast
from tests.reports.rows import Hit, Sitting, store


def address(site: Site, *rest: object) -> str:
    return "/".join(["/sites", site.key, "exclusions", *map(str, rest)])


def sent(people: Cast, *rest: object, **told: str) -> Any:
    return people.alice.post(address(people.site, *rest), told)


def words_of(answer: Any) -> str:
    """The page as it is read: without tags, blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def rule(site: Site, kind: str = "path", value: str = "/preview/**", **more: Any) -> Shield:
    return Shield.objects.create(site=site, kind=kind, value=value, **more)


def came(site: Site, *paths: str, visitor: int = 1, **said: object) -> None:
    """A session of these pages, two days ago."""
    moment = now() - timedelta(days=2)
    hits = tuple(Hit(moment + timedelta(seconds=number), path=path) for number, path in enumerate(paths))
    store(Sitting(hits, visitor=visitor, site_id=site.pk, said=said))
