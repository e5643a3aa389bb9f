"""The page "People's data". Whose data it is about is sent in bodies alone, and kept nowhere."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from ingest import tasks
from ingest.models import Site
from ingest.people.find import Unclear, Who
from reports import frame, people
from reports.access import Right, needs_site, sites_of
from reports.asking import TROUBLE
from reports.people import Asked

AWAY = "The database did not answer. Nothing was changed; try again in a minute."
NO_WORKER = "No worker can be reached just now. Nothing was erased; try again in a minute."


def _shown(request: HttpRequest, site: Site, asked: Asked, status: int = 200, **said: Any) -> HttpResponse:
    """SAID: `stored`, what was found; `error`, over the page; `id_error` and `name_error`, in their places."""
    requests = people.requests(site)
    context = {
        "frame": frame.context(list(sites_of(request.user)), "people", site, may_edit=True),
        "done": people.DONE.get(request.GET.get("done", ""), ""),
        "ways": asked.ways(),
        "asked": asked,
        "requests": requests,
        "is_under_way": any(not (one["is_done"] or one["is_late"]) for one in requests),
        "is_anonymous": site.identity == Site.Identity.ANONYMOUS,
        **said,
    }
    return render(request, "people.html", context, status=status)


def _needs_person(view: Callable[[HttpRequest, Site, Asked, Who], HttpResponse]) -> Callable[..., HttpResponse]:
    """For what is about a person: the view is called with whom, or the page says what is wrong with the id."""

    @require_POST
    @never_cache
    @needs_site(Right.EDIT)
    @wraps(view)
    def checked(request: HttpRequest, site: Site) -> HttpResponse:
        asked = Asked.of(request.POST)
        try:
            return view(request, site, asked, people.who_of(site, asked.way, asked.told))
        except Unclear as error:
            return _shown(request, site, asked, 422, id_error=str(error))
        except TROUBLE:
            return _shown(request, site, asked, 503, error=AWAY)

    return checked


def _found(request: HttpRequest, site: Site, asked: Asked, who: Who, status: int = 200, **said: Any) -> HttpResponse:
    return _shown(request, site, asked, status, stored=people.stored(site, who), **said)


@require_safe
@never_cache
@needs_site(Right.EDIT)
def page(request: HttpRequest, site: Site) -> HttpResponse:
    return _shown(request, site, Asked())


@_needs_person
def look(request: HttpRequest, site: Site, asked: Asked, who: Who) -> HttpResponse:
    """Changes nothing; a POST only because an id is nothing for an address."""
    return _found(request, site, asked, who)


@_needs_person
def export(request: HttpRequest, site: Site, asked: Asked, who: Who) -> HttpResponse:
    return people.download(site, who, str(request.user))[1]


@_needs_person
def erase(request: HttpRequest, site: Site, asked: Asked, who: Who) -> HttpResponse:
    """Hands the person to a worker, when the site's name was typed."""
    if request.POST.get("name", "").strip() != site.name:
        return _found(request, site, asked, who, 422, name_error=f"Type {site.name}, as it is written here.")
    try:
        tasks.begin_erasure(site.pk, who, str(request.user))
    except OperationalError:
        return _found(request, site, asked, who, 503, error=NO_WORKER)
    return redirect(f"{reverse('people', args=[site.key])}?done=erasing#requests")
