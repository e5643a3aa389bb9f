"""Who may do what with which site: every decision is made here.

A stranger gets 404, so that a key tells nothing; a member without the right gets 403. Staff are strangers too
where they are no members: running the installation is not reading its figures.
"""

import enum
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from ingest.models import Site
from reports.models import Membership, User

Person = User | AnonymousUser
View = Callable[..., HttpResponse]
Role = Membership.Role


class Right(enum.Enum):
    """The value is what one must be allowed to do, as said in a refusal."""

    VIEW = "see this site"
    EDIT = "change this site"
    OWN = "hand over or delete this site"


ROLES: dict[Right, frozenset[str]] = {
    Right.VIEW: frozenset({Role.OWNER, Role.ADMIN, Role.VIEWER}),
    Right.EDIT: frozenset({Role.OWNER, Role.ADMIN}),
    Right.OWN: frozenset({Role.OWNER}),
}


def sites_of(user: Person) -> QuerySet[Site]:
    """The sites a person may see, by name; none for somebody who is not logged in."""
    if not isinstance(user, User):
        return Site.objects.none()
    return Site.objects.filter(memberships__user=user)


def site_for(user: Person, key: str, right: Right) -> Site:
    """The site of a public key. Raises Http404 for strangers, PermissionDenied for members without RIGHT."""
    found = None
    if isinstance(user, User):
        found = Membership.objects.select_related("site").filter(user=user, site__key=key).first()
    if found is None:
        raise Http404(f"{key}: is no site of yours.")
    if found.role not in ROLES[right]:
        raise PermissionDenied(f"As {found.role} you may not {right.value}. Ask its owner.")
    return found.site


def may(user: Person, site: Site, right: Right) -> bool:
    """For a part of a page that not every member is shown. Looks up the membership."""
    return isinstance(user, User) and site.memberships.filter(user=user, role__in=ROLES[right]).exists()


def needs_site(right: Right) -> Callable[[View], View]:
    """For pages whose address has the site's `key`: the view is called with the site in its place.

    Whoever is not logged in is sent to the log-in page and back.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, key: str, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            return view(request, site_for(request.user, key, right), *args, **kwargs)

        return checked

    return decorate


def needs_site_api(right: Right) -> Callable[[View], View]:
    """The same for JSON: 401, 404 and 403 with a sentence instead of pages."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, key: str, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _refused("Log in, or send an API key.", 401)
            try:
                site = site_for(request.user, key, right)
            except Http404 as error:
                return _refused(str(error), 404)
            except PermissionDenied as error:
                return _refused(str(error), 403)
            return view(request, site, *args, **kwargs)

        return checked

    return decorate


def _refused(error: str, status: int) -> JsonResponse:
    return JsonResponse({"error": error, "field": "key", "allowed": []}, status=status)
