"""The page "Not counted", its reasons and its graph as CSV."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingest.models import Site
from reports import book, charts, exports, frame, lists, uncounted
from reports.access import Right, may, needs_site, sites_of
from reports.asking import TROUBLE
from reports.book import Ledger
from reports.views.refusals import refused_in_words


def _ledger(request: HttpRequest, site: Site) -> Ledger:
    """Who may change the site may read samples, in which senders wrote addresses of pages and agents."""
    return book.of(request.GET, site, now(), may(request.user, site, Right.EDIT))


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def page(request: HttpRequest, site: Site) -> HttpResponse:
    asked = _ledger(request, site)
    live = frame.live(frame.visitors_now(site))
    context = {
        "frame": frame.context(list(sites_of(request.user)), "uncounted", site, live, may_edit=asked.may_read),
        "urls": {"now": reverse("now", args=[site.key])},
        **uncounted.context(asked),
    }
    return render(request, "uncounted.html", context)


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def reasons_csv(request: HttpRequest, site: Site) -> HttpResponse:
    asked = _ledger(request, site)
    try:
        head, rows = uncounted.csv_table(asked)
    except TROUBLE as trouble:
        return exports.unavailable(trouble)
    return exports.download(lists.file_name(asked.asked, "not-counted"), head, rows)


@require_safe
@never_cache
@needs_site(Right.VIEW)
@refused_in_words
def chart_csv(request: HttpRequest, site: Site) -> HttpResponse:
    """Exactly the table that stands beside the graph."""
    try:
        asked = book.counted(_ledger(request, site))
    except TROUBLE as trouble:
        return exports.unavailable(trouble)
    head, rows = charts.csv_table(uncounted.series(asked), uncounted.drawn(asked))
    return exports.download(lists.file_name(asked.asked, asked.drawn.label), head, rows)
