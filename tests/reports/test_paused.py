"""A site that does not collect says so where its figures stand."""

import pytest

from ingest.models import Site
from tests.reports.cast import Cast, cast


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


@pytest.mark.parametrize("page", ["", "/setup"])
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"is_paused": True}, "Collecting is paused."),
        ({"is_active": False}, "This site is switched off."),
        ({"is_paused": True, "is_active": False}, "This site is switched off."),
    ],
)
def test_a_site_that_does_not_collect_says_so(people: Cast, page: str, state: dict[str, bool], said: str) -> None:
    Site.objects.filter(pk=people.site.pk).update(**state)
    answer = people.alice.get(f"/sites/{people.site.key}{page}").content.decode()
    assert answer.count('class="notice warn"') == 1
    assert said in answer


@pytest.mark.parametrize("page", ["", "/setup"])
def test_a_site_that_collects_says_nothing(people: Cast, page: str) -> None:
    assert "notice warn" not in people.alice.get(f"/sites/{people.site.key}{page}").content.decode()
