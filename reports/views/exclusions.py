"""The page "Exclusions" and what it changes. Every change is a POST that leads back to the page."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from kombu.exceptions import OperationalError

from ingest import arrivals, sites, tasks
from ingest.models import Shield, Site
from ingest.shields_past import NotKept
from reports import exclusions, frame
from reports.access import Right, needs_site, sites_of
from reports.forms import HostsForm, ParametersForm, RuleForm, SwitchForm, WordsForm
from reports.words import of_shield

Choice = SwitchForm | WordsForm
CHOICES: dict[str, Callable[[Site, QueryDict], Choice]] = {
    "pause": lambda site, told: SwitchForm("is_paused", site, told),
    "do-not-track": lambda site, told: SwitchForm("honours_dnt", site, told),
    "hosts": HostsForm,
    "parameters": ParametersForm,
}


def _address(request: HttpRequest) -> str:
    """The reader's own, as the door would see it."""
    return arrivals.address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def _error(form: forms.Form | None, name: str) -> str:
    return str(next(iter(form.errors.get(name, [])), "")) if form else ""


def _rule_form(request: HttpRequest, form: RuleForm | None) -> dict[str, Any]:
    """The fields as they were sent, or empty; with the reader's own address where that was asked for."""
    own = _address(request)
    given = form.data if form else {"kind": Shield.Kind.ADDRESS.value, "value": own if "mine" in request.GET else ""}
    return {
        "kinds": exclusions.kinds(given.get("kind", "")),
        "value": given.get("value", ""),
        "note": given.get("note", ""),
        "errors": {name: _error(form, name) for name in ("kind", "value", "note")},
        "error": _error(form, NON_FIELD_ERRORS),
        "own_address": own,
    }


def _words(form: Choice | None, wanted: type[WordsForm], kept: list[str]) -> dict[str, str]:
    """A list as it is kept, or as it was sent with its error."""
    sent = form if isinstance(form, wanted) else None
    return {"text": sent.data.get("words", "") if sent else "\n".join(kept), "error": _error(sent, "words")}


def _shown(
    request: HttpRequest,
    site: Site,
    rule_form: RuleForm | None = None,
    choice: Choice | None = None,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    context = {
        "frame": frame.context(list(sites_of(request.user)), "exclusions", site, may_edit=True),
        **exclusions.context(site, now(), request.GET.get("done", "")),
        "add": _rule_form(request, rule_form),
        "hosts": _words(choice, HostsForm, site.allowed_hosts),
        "parameters": _words(choice, ParametersForm, site.kept_parameters),
        **said,
    }
    return render(request, "exclusions.html", context, status=status)


def _back(site: Site, done: str, place: str = "") -> HttpResponse:
    """To the page again; this process asks for the site anew, the others within half a minute."""
    sites.forget()
    return redirect(f"{reverse('exclusions', args=[site.key])}?done={done}{place}")


@require_safe
@never_cache
@needs_site(Right.EDIT)
def page(request: HttpRequest, site: Site) -> HttpResponse:
    return _shown(request, site)


@require_POST
@never_cache
@needs_site(Right.EDIT)
def test(request: HttpRequest, site: Site) -> HttpResponse:
    """Changes nothing; a POST only because an address is nothing for a log of requests."""
    text = request.POST.get("text", "").strip()[:4096]
    return _shown(request, site, tested=exclusions.judged(site, text) if text else None)


@require_POST
@never_cache
@needs_site(Right.EDIT)
def add(request: HttpRequest, site: Site) -> HttpResponse:
    """Adds the rule, or says what it would have dropped."""
    form = RuleForm(site, request.POST)
    if not form.is_valid():
        return _shown(request, site, form, status=422)
    if "try" in request.POST:
        return _shown(request, site, form, tried=exclusions.tried(site, form.rule))
    rule = form.rule
    # The same rule may come twice at one moment: it is in the list once.
    Shield.objects.get_or_create(site=site, kind=rule.kind, value=rule.value, defaults={"note": rule.note})
    return _back(site, "added")


@require_POST
@never_cache
@needs_site(Right.EDIT)
def set_choice(request: HttpRequest, site: Site, name: str) -> HttpResponse:
    if name not in CHOICES:
        raise Http404(f"{name}: is no choice of a site.")
    form = CHOICES[name](site, request.POST)
    if not form.is_valid():
        return _shown(request, site, choice=form, status=422)
    form.save()
    return _back(site, "saved", f"#{name}")


# --- One rule ---------------------------------------------------------------------------------------------


def _rule(site: Site, rule: int) -> Shield:
    return get_object_or_404(Shield.objects.select_related("site"), pk=rule, site=site)


def _rule_shown(request: HttpRequest, shield: Shield, status: int = 200, **said: Any) -> HttpResponse:
    context = {
        "frame": frame.context(list(sites_of(request.user)), "exclusions", shield.site, may_edit=True),
        **exclusions.rule(shield, now(), request.GET.get("done", "")),
        **said,
    }
    return render(request, "exclusions_rule.html", context, status=status)


@require_safe
@never_cache
@needs_site(Right.EDIT)
def rule_page(request: HttpRequest, site: Site, rule: int) -> HttpResponse:
    return _rule_shown(request, _rule(site, rule))


@require_POST
@never_cache
@needs_site(Right.EDIT)
def switch(request: HttpRequest, site: Site, rule: int) -> HttpResponse:
    """To the state that the button named: pressing it twice is pressing it once."""
    shield, is_on = _rule(site, rule), request.POST.get("state") == "on"
    Shield.objects.filter(pk=shield.pk).update(is_active=is_on)
    return _back(site, "on" if is_on else "off")


@require_POST
@never_cache
@needs_site(Right.EDIT)
def apply(request: HttpRequest, site: Site, rule: int) -> HttpResponse:
    """Hands the rule to a worker; one that is applied already is not applied beside itself."""
    shield = _rule(site, rule)
    if shield.kind == Shield.Kind.ADDRESS:
        return _rule_shown(request, shield, status=422, error=str(NotKept(shield)))
    if not exclusions.progress(shield, now())["is_running"]:
        try:
            tasks.apply_shield.delay(shield.pk)
        except OperationalError:
            error = "No worker can be reached just now. Nothing was changed; try again in a minute."
            return _rule_shown(request, shield, status=503, error=error)
    return redirect(f"{reverse('rule', args=[site.key, rule])}?done=applying")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs_site(Right.EDIT)
def delete(request: HttpRequest, site: Site, rule: int) -> HttpResponse:
    shield = _rule(site, rule)
    if request.method == "POST":
        shield.delete()
        return _back(site, "deleted")
    context = {
        "frame": frame.context(list(sites_of(request.user)), "exclusions", site, may_edit=True),
        "rule": {"id": shield.pk, "name": of_shield(shield), "note": shield.note},
    }
    return render(request, "exclusions_delete.html", context)
