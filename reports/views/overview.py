"""A site's overview, its parts, its graph as CSV, and the small answer that open pages poll."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingest.models import Site
from reports import charts, exports, frame, lists, overview, panels
from reports.access import Right, may, needs_site, sites_of
from reports.asking import TROUBLE, Asked, asked
from reports.views.refusals import refused_in_words

FIGURES = "figures"


def _asked(request: HttpRequest, site: Site) -> Asked:
    return asked(request.GET, site, reverse("overview", args=[site.key]), now())


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def page(request: HttpRequest, site: Site) -> HttpResponse:
    version = frame.version(site)  # before the figures: what comes in between is seen by the next poll
    question = _asked(request, site)
    context = {
        "frame": frame.context(
            list(sites_of(request.user)),
            "overview",
            site,
            frame.live(frame.visitors_now(site)),
            may_edit=may(request.user, site, Right.EDIT),
        ),
        "urls": {
            "parts": f"{reverse('overview', args=[site.key])}/parts",
            "now": reverse("now", args=[site.key]),
        },
        "version": version,
        "is_running": question.query.period.is_partial,
        **overview.figures(question),
    }
    return render(request, "overview.html", context)


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def parts(request: HttpRequest, site: Site, part: str) -> HttpResponse:
    """What one change of a choice needs: all figures, or one panel."""
    question = _asked(request, site)
    if part == FIGURES:
        context: dict[str, Any] = {"wants_all": True, **overview.figures(question)}
    else:
        slot = next((slot for slot in panels.slots(question) if slot.name == part), None)
        if slot is None:
            raise Http404
        context = {"wants_all": False, "panels": [panels.panel(question, slot)]}
    context["is_running"] = question.query.period.is_partial
    return render(request, "_parts.html", context)


@require_safe
@never_cache
@needs_site(Right.VIEW)
def now_json(request: HttpRequest, site: Site) -> JsonResponse:
    """Live visitors, and a version that changes with the next event."""
    visitors = frame.visitors_now(site)
    if visitors is None:
        return JsonResponse(
            {"error": "The count could not be had. Ask again."}, status=503, headers={"Retry-After": "5"}
        )
    return JsonResponse({**frame.live(visitors), "version": frame.version(site)})


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def chart_csv(request: HttpRequest, site: Site) -> HttpResponse:
    """Exactly the table that stands beside the graph, as plain numbers."""
    question = _asked(request, site)
    what = overview.drawn(question)
    try:
        steps = overview.series(question)
    except TROUBLE as trouble:
        return exports.unavailable(trouble)
    head, rows = charts.csv_table(steps, what)
    return exports.download(lists.file_name(question, what.label), head, rows)
