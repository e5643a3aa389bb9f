"""Sites and keys as the door knows them: for half a minute, and through an outage of the database."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from ingest import sites
from ingest.models import ApiKey, Site
from ingest.sites import KnownSite
from tests.conftest import no_postgres


def queries(ask: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is asked about again at once."""
    monkeypatch.setattr(sites, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(sites, "MISS_SECONDS", 0.0)


def test_it_works(site: Site) -> None:
    found = sites.by_key(site.key)
    assert found is not None
    assert (found.id, found.domain, found.session_seconds) == (site.pk, "shop.example.com", 1800)
    assert sites.by_id(site.pk) == found


def test_a_site_costs_a_query_and_one_for_its_rules(site: Site) -> None:
    assert queries(lambda: [sites.by_key(site.key) for _ in range(5)]) == 2


def test_a_key_is_compared_exactly(site: Site) -> None:
    for key in (site.key.swapcase(), f" {site.key}", site.key[:-1], str(site.pk), f"{site.key}\n"):
        assert sites.by_key(key) is None


@pytest.mark.parametrize("key", ["", "x" * 41, "\x00", "a\nb", "ff_\uff21", "\ud800", "é"])
def test_a_key_that_cannot_exist_is_not_looked_for(db: None, key: str) -> None:
    assert queries(lambda: sites.by_key(key)) == 0
    assert sites.by_key(key) is None


def test_a_key_that_nobody_has_is_remembered(db: None) -> None:
    assert queries(lambda: [sites.by_key("' OR 1=1 --") for _ in range(5)]) == 1


def test_a_new_site_is_seen_after_a_while(db: None, soon: None) -> None:
    site = Site(name="Later", domain="later.example.com")
    assert sites.by_key(site.key) is None
    site.save()
    assert sites.by_key(site.key) is not None


def test_a_site_that_is_switched_off_is_unknown_to_the_door_alone(site: Site) -> None:
    site.is_active = False
    site.save()
    assert sites.by_key(site.key) is None
    assert sites.by_id(site.pk) is not None


def test_a_change_is_seen_after_a_while(site: Site, soon: None) -> None:
    assert sites.by_key(site.key) is not None
    Site.objects.update(is_active=False)
    assert sites.by_key(site.key) is None


def test_the_process_that_changes_a_site_may_forget_it(site: Site) -> None:
    sites.by_key(site.key)
    Site.objects.update(domain="new.example.com")
    sites.forget()
    found = sites.by_key(site.key)
    assert found is not None
    assert found.domain == "new.example.com"


# --- Memory -----------------------------------------------------------------------------------------------


def more_sites(number: int) -> list[Site]:
    named = [Site(name=f"Site {index}", domain=f"site-{index}.example.com") for index in range(number)]
    return Site.objects.bulk_create(named)


def test_memory_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MOST", 3)
    monkeypatch.setattr(sites, "MOST_MISSES", 2)
    for number, other in enumerate(more_sites(5)):
        sites.by_key(other.key)
        sites.of_server_key(issued(other))
        sites.by_key(f"key {number}")
        sites.of_server_key(f"key {number}")
    for memory in (sites._sites, sites._writers):
        assert (len(memory.found), len(memory.missed)) == (3, 2)


def test_keys_that_nobody_has_push_no_site_out(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may send them; what was known must stay known when the database is away."""
    monkeypatch.setattr(sites, "MOST", 3)
    monkeypatch.setattr(sites, "MOST_MISSES", 3, raising=False)
    value = issued(committed)
    known = sites.by_key(committed.key), sites.of_server_key(value)
    for number in range(9):
        sites.by_key(f"key {number}")
        sites.of_server_key(f"key {number}")
    with no_postgres():
        assert (sites.by_key(committed.key), sites.of_server_key(value)) == known


def test_a_site_that_is_asked_for_keeps_its_place(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MOST", 2)
    value = issued(site)
    for other in more_sites(4):
        sites.by_key(site.key)
        sites.of_server_key(value)
        sites.by_key(other.key)
        sites.of_server_key(issued(other))
    assert queries(lambda: (sites.by_key(site.key), sites.of_server_key(value))) == 0


# --- Hosts ------------------------------------------------------------------------------------------------


def allowing(site: Site, *hosts: str) -> KnownSite:
    site.allowed_hosts = list(hosts)
    return KnownSite.of(site)


HOSTS = [
    ([], "any.example.com", True),
    (["shop.example.com"], "shop.example.com", True),
    (["Shop.Example.com"], "shop.example.com", True),
    (["shop.example.com"], "www.shop.example.com", False),
    (["shop.example.com"], "evil-shop.example.com", False),
    (["*.example.com"], "a.b.example.com", True),
    (["*.example.com"], "example.com", True),
    (["*.example.com"], "notexample.com", False),
    (["*.example.com"], "example.com.evil.net", False),
    (["a.com", "b.com"], "b.com", True),
    (["a.com"], None, True),
    (["a.com"], "", False),
]


@pytest.mark.parametrize(("rules", "host", "allowed"), HOSTS)
def test_a_site_may_name_its_hosts(site: Site, rules: list[str], host: str | None, allowed: bool) -> None:
    assert allowing(site, *rules).allows(host) is allowed


# --- Keys of servers --------------------------------------------------------------------------------------


def issued(site: Site, scope: str = "write", **fields: Any) -> str:
    row, value = ApiKey.issue(site, "server", scope)
    ApiKey.objects.filter(pk=row.pk).update(**fields or {"name": "server"})
    return value


def test_a_write_key_belongs_to_its_site(site: Site) -> None:
    value = issued(site)
    assert sites.of_server_key(value) == site.pk
    assert queries(lambda: sites.of_server_key(value)) == 0


@pytest.mark.parametrize(
    ("scope", "fields"),
    [("read", {}), ("write", {"expires_at": now() - timedelta(seconds=1)}), ("write", {"revoked_at": now()})],
)
def test_a_key_that_may_not_write_belongs_to_nobody(site: Site, scope: str, fields: dict[str, Any]) -> None:
    assert sites.of_server_key(issued(site, scope, **fields)) is None


def test_a_key_that_expires_later_is_good(site: Site) -> None:
    assert sites.of_server_key(issued(site, expires_at=now() + timedelta(hours=1))) == site.pk


def test_a_revoked_key_is_refused_after_a_while(site: Site, soon: None) -> None:
    value = issued(site)
    assert sites.of_server_key(value) == site.pk
    ApiKey.objects.update(revoked_at=now())
    assert sites.of_server_key(value) is None


# --- Without PostgreSQL -----------------------------------------------------------------------------------


def test_what_was_known_stays_known_when_the_database_is_away(committed: Site, soon: None) -> None:
    value = issued(committed)
    known = sites.by_key(committed.key), sites.by_id(committed.pk), sites.of_server_key(value)
    with no_postgres():
        assert (sites.by_key(committed.key), sites.by_id(committed.pk), sites.of_server_key(value)) == known


def test_what_was_never_known_cannot_be_said(committed: Site) -> None:
    with no_postgres():
        for ask in (lambda: sites.by_key("new"), lambda: sites.by_id(5), lambda: sites.of_server_key("new")):
            with pytest.raises(OperationalError):
                ask()


def test_an_absent_database_is_not_asked_for_every_event(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not reachable costs seconds a try; the door must not wait that long each time."""
    monkeypatch.setattr(sites, "KEEP_SECONDS", 0.0)
    value = issued(committed)
    asks = [lambda: sites.by_key(committed.key), lambda: sites.of_server_key(value)]
    for ask in asks:
        ask()
        with no_postgres():
            ask()
        assert queries(ask) == 0
