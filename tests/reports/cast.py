"""A small cast with rights: Alice owns the shop, Bob may view it, Charlie has nothing."""

from typing import NamedTuple

from django.test import Client

from ingest.models import Site
from reports.models import Membership, User

Role = Membership.Role


class Cast(NamedTuple):
    site: Site
    alice: Client
    bob: Client
    charlie: Client
    anonymous: Client


def person(name: str, site: Site | None = None, role: str = Role.OWNER) -> Client:
    """A browser in which somebody is logged in; without a password, whose hash would cost most of the test."""
    user = User.objects.create_user(f"{name}@example.com")
    if site is not None:
        Membership.objects.create(site=site, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def cast(site: Site) -> Cast:
    return Cast(
        site=site,
        alice=person("alice", site),
        bob=person("bob", site, Role.VIEWER),
        charlie=person("charlie"),
        anonymous=Client(),
    )
