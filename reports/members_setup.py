"""The first people of an installation, and sites with an owner; what commands and forms share."""

import secrets

from django.contrib.auth import get_user_model
from django.db import transaction

from ingest.models import Site
from reports.models import Membership, User


def ensure_owner(email: str, password: str = "") -> tuple[str, str | None]:
    """Makes the first owner, who also runs the admin, when there is no superuser yet.

    Returns the address to log in with, and the password if one was made or set now.
    """
    first = User.objects.filter(is_superuser=True).order_by("pk").first()
    if first is not None:
        return first.email, None
    password = password or secrets.token_urlsafe(12)
    user = get_user_model().objects.create_superuser(email, password)
    return user.email, password


@transaction.atomic
def create_site(owner: User, **fields: str) -> Site:
    """A site and its owner's membership. Raises ValidationError."""
    site = Site(**fields)
    site.full_clean()
    site.save()
    Membership.objects.create(site=site, user=owner, role=Membership.Role.OWNER)
    return site
