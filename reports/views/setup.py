"""The page that gives the snippet and notices the first event."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingest.models import Site
from reports import formats, frame, realtime
from reports.access import Right, may, needs_site, sites_of

WAYS = (("html", "HTML"), ("server", "Server"))


def _base(request: HttpRequest) -> str:
    """Where browsers reach this installation: the configured address, or the one that was just used."""
    return settings.BASE_URL if settings.HTTPS else request.build_absolute_uri("/").rstrip("/")


def _tabs(site: Site, way: str) -> list[dict[str, Any]]:
    here = reverse("setup", args=[site.key])
    return [
        {"label": label, "url": here if name == "html" else f"{here}?way={name}", "is_chosen": name == way}
        for name, label in WAYS
    ]


def _checks(site: Site) -> list[dict[str, Any]]:
    last = realtime.last_event_at(site.pk)
    told = formats.ago(last, now().astimezone(site.zone)) if last else "None received for this key."
    active = "Events with it are taken." if site.is_active else "Switched off by staff: events with it are refused."
    return [
        {"is_ok": site.is_active, "title": f"Key {site.key}", "text": active},
        {"is_ok": last is not None, "title": "Last event" if last else "First event", "text": told},
    ]


def _waiting(site: Site) -> dict[str, Any]:
    checks = _checks(site)
    return {
        "checks": checks,
        "has_arrived": checks[-1]["is_ok"],
        "overview_url": reverse("overview", args=[site.key]),
        "here": reverse("setup", args=[site.key]),
    }


@require_safe
@never_cache
@needs_site(Right.VIEW)
def page(request: HttpRequest, site: Site) -> HttpResponse:
    way = request.GET.get("way", "html")
    base = _base(request)
    context = {
        "frame": frame.context(
            list(sites_of(request.user)), "setup", site, may_edit=may(request.user, site, Right.EDIT)
        ),
        "tabs": _tabs(site, way),
        "way": way,
        "base": base,
        "host": urlsplit(base).netloc,
        "is_anonymous": site.identity == Site.Identity.ANONYMOUS,
        "status_url": reverse("setup_status", args=[site.key]),
        **_waiting(site),
    }
    return render(request, "setup.html", context)


@require_safe
@never_cache
@needs_site(Right.VIEW)
def status(request: HttpRequest, site: Site) -> HttpResponse:
    return render(request, "_waiting.html", {"frame": {"site": site}, **_waiting(site)})
