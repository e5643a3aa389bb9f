"""All sites, and a new one."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from reports import all_sites, frame
from reports.access import sites_of
from reports.forms import SiteForm, zones
from reports.members_setup import create_site
from reports.models import User

ABOUT = {
    "name": ("Site name", "As it appears in reports.", "Shop", 120),
    "domain": ("Domain", "The host of its pages.", "shop.example.com", 253),
}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect("sites")


@require_safe
@never_cache
@login_required
def index(request: HttpRequest) -> HttpResponse:
    sites = list(sites_of(request.user))
    listed = all_sites.context(sites)
    context = {
        "frame": frame.context(sites, "sites", counted=listed["live"] if sites else None),
        **listed,
    }
    return render(request, "sites.html", context)


def _fields(form: SiteForm) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": label,
            "help": help_text,
            "placeholder": placeholder,
            "value": form[name].value() or "",
            "error": next(iter(form.errors.get(name, [])), ""),
            "about": f"about_{name}",
            "maxlength": longest,
            "is_first": name == (next(iter(form.errors), "name")),
        }
        for name, (label, help_text, placeholder, longest) in ABOUT.items()
    ]


def _timezone(form: SiteForm) -> dict[str, Any]:
    return {
        "choices": zones(),
        "value": form["timezone"].value() or "UTC",
        "error": next(iter(form.errors.get("timezone", [])), ""),
        "is_unset": not form.is_bound,
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    form = SiteForm(request.POST or None)
    if form.is_valid():
        site = create_site(cast(User, request.user), **form.cleaned_data)
        return redirect(reverse("setup", args=[site.key]))
    context = {
        "frame": frame.context(list(sites_of(request.user)), "new"),
        "fields": _fields(form),
        "timezone": _timezone(form),
        "identity": form.identity_choices(),
    }
    return render(request, "site_new.html", context, status=422 if form.is_bound else 200)
