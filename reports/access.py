"""Who may do what with which site: every decision is made here.

A stranger gets 404, so that a key tells nothing; a member without the right gets 403. Staff are strangers too
where they are no members: running the installation is not reading its figures.
"""

import enum
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import CSRFCheck

from ingest.models import ApiKey, Site
from reports.models import Membership, User

Person = User | AnonymousUser
View = Callable[..., HttpResponse]
Role = Membership.Role
NOTED_EVERY = timedelta(minutes=1)  # that a key is used


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


# --- Keys -------------------------------------------------------------------------------------------------


class KeyRefused(Exception):  # noqa: N818
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def needs_key_or_member(right: Right, scope: str) -> Callable[[View], View]:
    """For JSON that a server asks for with a key of SCOPE, or a member with RIGHT. The view is called with the site
    and with who asks, in words.

    With a key nothing else counts: a cookie that is sent along gives no right and takes none. A member's POST carries
    the token against forgery, as a form does.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def by_key(request: HttpRequest, key: str, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                found = key_for(request.headers["Authorization"], key, scope)
            except KeyRefused as refusal:
                return _refused(str(refusal), refusal.status)
            return view(request, found.site, f"API key {found}", *args, **kwargs)

        @needs_site_api(right)
        def by_member(request: HttpRequest, site: Site, *args: Any, **kwargs: Any) -> HttpResponse:
            if _is_forged(request):
                return _refused("The X-CSRFToken header is missing or wrong. Send it, or an API key.", 403)
            return view(request, site, str(request.user), *args, **kwargs)

        @wraps(view)
        def checked(request: HttpRequest, key: str, *args: Any, **kwargs: Any) -> HttpResponse:
            way = by_key if "Authorization" in request.headers else by_member
            return way(request, key, *args, **kwargs)

        return csrf_exempt(checked)

    return decorate


def key_for(told: str, site_key: str, scope: str) -> ApiKey:
    """The key of an Authorization header, for one site; notes that it was used. Raises KeyRefused."""
    value = told.removeprefix("Bearer ").strip()
    found = ApiKey.objects.select_related("site").filter(digest=ApiKey.digest_of(value)).first()
    if found is None or not found.is_valid(now()):
        raise KeyRefused(401, "The API key is unknown, expired or revoked.")
    if found.site.key != site_key:
        raise KeyRefused(404, f"{site_key}: is no site of yours.")
    if found.scope != scope:
        wanted = ApiKey.Scope(scope).label.lower()
        raise KeyRefused(403, f"This key may not {wanted}. Make one that may, in the admin.")
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now() - NOTED_EVERY)
    ApiKey.objects.filter(unnoted, pk=found.pk).update(last_used_at=now())
    return found


def _is_forged(request: HttpRequest) -> bool:
    def guarded(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    check = CSRFCheck(guarded)
    check.process_request(request)
    return check.process_view(request, guarded, (), {}) is not None


def _refused(error: str, status: int) -> JsonResponse:
    return JsonResponse({"error": error, "field": "key", "allowed": []}, status=status)
