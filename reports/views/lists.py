"""The own page of each ranked list, and the list as CSV."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingest.models import Site
from reports import controls, exports, frame, lists, panels
from reports.access import Right, may, needs_site, sites_of
from reports.asking import TROUBLE, asked
from reports.views.refusals import refused_in_words


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def page(request: HttpRequest, site: Site, tab: str) -> HttpResponse:
    slot, chosen = panels.BY_TAB[tab]
    question = asked(request.GET, site, reverse("list", args=[site.key, tab]), now())
    overview = reverse("overview", args=[site.key])
    context = {
        "frame": frame.context(
            list(sites_of(request.user)),
            tab,
            site,
            frame.live(frame.visitors_now(site)),
            may_edit=may(request.user, site, Right.EDIT),
        ),
        "urls": {"now": reverse("now", args=[site.key])},
        "overview_url": question.links.at(overview).to(),
        "controls": controls.controls(question),
        "chips": controls.chips(question),
        "gone": controls.gone(question),
        "clear_url": question.links.without_filters(),
        "list": lists.context(question, slot, chosen, request.GET),
    }
    return render(request, "list.html", context)


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def csv(request: HttpRequest, site: Site, tab: str) -> HttpResponse:
    _, chosen = panels.BY_TAB[tab]
    question = asked(request.GET, site, reverse("list", args=[site.key, tab]), now())
    try:
        head, rows = lists.csv_table(question, chosen)
    except TROUBLE as trouble:
        return exports.unavailable(trouble)
    return exports.download(lists.file_name(question, chosen.label), head, rows)
