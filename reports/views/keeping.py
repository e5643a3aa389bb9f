"""The page "Keeping" and what it changes. What would delete something is asked for twice."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from ingest import sites, tasks
from ingest.models import Site
from reports import frame, keeping
from reports.access import Right, may, needs_site, sites_of
from reports.forms import KeepingForm, PropertiesForm


def _framed(request: HttpRequest, site: Site, *, may_edit: bool) -> dict[str, Any]:
    return frame.context(list(sites_of(request.user)), "keeping", site, may_edit=may_edit)


def _errors(form: forms.BaseForm | None) -> dict[str, str]:
    return {name: str(said[0]) for name, said in form.errors.items()} if form else {}


def _sent(form: forms.BaseForm | None) -> dict[str, str]:
    """The fields as they came."""
    return {name: str(form.data.get(name, "")) for name in form.fields} if form else {}


def _shown(
    request: HttpRequest,
    site: Site,
    days: KeepingForm | None = None,
    properties: PropertiesForm | None = None,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    may_edit = may(request.user, site, Right.EDIT)
    context = {
        "frame": _framed(request, site, may_edit=may_edit),
        "may_edit": may_edit,
        **keeping.context(site, now(), request.GET.get("done", "")),
        "tiers": keeping.tiers(site, _sent(days), _errors(days)),
        "properties": {
            "text": _sent(properties).get("words", "\n".join(site.property_dimensions)),
            "names": site.property_dimensions,
            "error": _errors(properties).get("words", ""),
        },
        **said,
    }
    return render(request, "keeping.html", context, status=status)


def _back(site: Site, done: str) -> HttpResponse:
    """To the page again; this process asks for the site anew, the others within half a minute."""
    sites.forget()
    return redirect(f"{reverse('keeping', args=[site.key])}?done={done}")


@require_safe
@never_cache
@needs_site(Right.VIEW)
def page(request: HttpRequest, site: Site) -> HttpResponse:
    return _shown(request, site)


@require_POST
@never_cache
@needs_site(Right.EDIT)
def set_days(request: HttpRequest, site: Site) -> HttpResponse:
    """Saves, unless something stored would go: then the site's name is asked for first."""
    form = KeepingForm(site, request.POST)
    if not form.is_valid():
        return _shown(request, site, days=form, status=422)
    going = keeping.going(site, form.kept, now())
    if going and request.POST.get("name", "").strip() != site.name:
        return _asked(request, site, form, going)
    form.save()
    return _back(site, "saved")


def _asked(request: HttpRequest, site: Site, form: KeepingForm, going: list[str]) -> HttpResponse:
    name = request.POST.get("name")
    error = "" if name is None else f"{name.strip()[:120] or 'Nothing'}: is not the name. Write {site.name}."
    context = {
        "frame": _framed(request, site, may_edit=True),
        "going": going,
        "days": {field: form.data.get(field, "") for field in form.fields},
        "error": error,
    }
    return render(request, "keeping_shorter.html", context, status=422 if error else 200)


@require_POST
@never_cache
@needs_site(Right.EDIT)
def set_properties(request: HttpRequest, site: Site) -> HttpResponse:
    form = PropertiesForm(site, request.POST)
    if not form.is_valid():
        return _shown(request, site, properties=form, status=422)
    form.save()
    return _back(site, "properties")


@require_POST
@never_cache
@needs_site(Right.EDIT)
def count_again(request: HttpRequest, site: Site) -> HttpResponse:
    """Hands all days whose events are kept to a worker; while one is at it, nothing is added."""
    if not keeping.is_counting_again(site):
        try:
            tasks.backfill_site.delay(site.pk)
        except OperationalError:
            error = "No worker can be reached just now. Nothing was changed; try again in a minute."
            return _shown(request, site, status=503, error=error)
    return _back(site, "again")
