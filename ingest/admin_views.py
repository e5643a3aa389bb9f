"""Staff's read-only pages: Django's admin refuses tables with a composite key, and would count them.

Each page is listed in PAGES, with the permission that it asks for; `analytics_site.admin` hangs them into the admin.
"""

import functools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

from ingest import inspection
from ingest.inspection import Listing
from ingest.models import Site

MOST_SUGGESTED = 200  # sites in the list under the field; any other key can be typed
NOTHING = "–"


class Table(NamedTuple):
    """Ready to print: every cell is text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class AdminPage(NamedTuple):
    name: str  # in the address and for `reverse("admin:<name>")`
    title: str
    permission: str
    view: Callable[[HttpRequest], HttpResponse]


PAGES: list[AdminPage] = []


def admin_page(
    name: str, title: str, permission: str
) -> Callable[[Callable[[HttpRequest], HttpResponse]], Callable[[HttpRequest], HttpResponse]]:
    """Lists a view in PAGES. Staff without PERMISSION get 403; a question that takes too long gets a sentence."""

    def listed(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        @functools.wraps(view)
        def checked(request: HttpRequest) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            try:
                return view(request)
            except OperationalError:
                problem = f"PostgreSQL did not answer within {inspection.SECONDS} s. Choose a site, or try again later."
                return _page(request, title, [], problems=[problem], status=503)

        PAGES.append(AdminPage(name, title, permission, checked))
        return checked

    return listed


@admin_page("partitions", "Partitions", "ingest.view_event")
def partitions_page(request: HttpRequest) -> HttpResponse:
    days = inspection.days()
    rows = [
        [
            day.day.isoformat(),
            _figure(day.rows),
            filesizeformat(day.table_bytes),
            filesizeformat(day.index_bytes),
            _text(day.is_attached),
        ]
        for day in days
    ]
    size = filesizeformat(sum(day.table_bytes + day.index_bytes for day in days))
    title = f"{len(days):,} days, {size} with indexes. Rows are PostgreSQL's estimate."
    return _page(request, "Partitions", [Table(title, ("day (UTC)", "rows", "table", "indexes", "attached"), rows)])


@admin_page("counts", "Counts", "ingest.view_ingestcount")
def counts_page(request: HttpRequest) -> HttpResponse:
    since = inspection.recent(datetime.now(UTC))
    site, problems = _chosen(request)
    if problems:
        return _page(request, "Counts", [], site, problems, with_site=True, status=404)
    site_id = site.pk if site else None
    totals = [
        [outcome, reason or NOTHING, _figure(events)] for outcome, reason, events in inspection.totals(site_id, since)
    ]
    found = _found(inspection.COUNTS, request, site_id, since)
    names = dict(Site.objects.filter(pk__in={row[1] for row in found.rows}).values_list("pk", "name"))
    rows = [
        [_text(hour), names.get(site_id, str(site_id)), outcome, reason or NOTHING, _figure(events)]
        for hour, site_id, outcome, reason, events in found.rows
    ]
    tables = [
        Table("The last 48 hours together", ("outcome", "reason", "events"), totals),
        Table("By hour of arrival (UTC)", ("hour", "site", "outcome", "reason", "events"), rows),
    ]
    return _page(request, "Counts", tables, site, after=found.after, with_site=True)


@admin_page("events", "Events", "ingest.view_event")
def events_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Events", inspection.EVENTS)


@admin_page("sessions", "Sessions", "ingest.view_session")
def sessions_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Sessions", inspection.SESSIONS)


@admin_page("visitors", "Visitors", "ingest.view_visitor")
def visitors_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Visitors", inspection.VISITORS)


@admin_page("samples", "Samples", "ingest.view_sample")
def samples_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Samples", inspection.SAMPLES)


@admin_page("bots", "Bots", "ingest.view_botcount")
def bots_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Bots", inspection.BOTS)


@admin_page("shield_hits", "Shield hits", "ingest.view_shieldhit")
def shield_hits_page(request: HttpRequest) -> HttpResponse:
    return _listing_page(request, "Shield hits", inspection.SHIELD_HITS)


@admin_page("stream", "Stream", "ingest.view_shard")
def stream_page(request: HttpRequest) -> HttpResponse:
    rows = [
        [
            str(state.shard),
            _figure(state.waiting),
            state.owner if state.is_held else "no writer",
            _text(state.until),
            state.applied or NOTHING,
        ]
        for state in inspection.stream()
    ]
    columns = ("shard", "requests waiting", "writer (machine, process, start)", "lease until", "last one written")
    problems = inspection.stream_shortcomings()
    return _page(request, "Stream", [Table("From the door to the tables", columns, rows)], problems=problems)


def _listing_page(request: HttpRequest, title: str, listing: Listing) -> HttpResponse:
    """One site's rows, newest first."""
    site, problems = _chosen(request)
    if site is None:
        return _page(request, title, [], None, problems, with_site=True, status=404 if problems else 200)
    found = _found(listing, request, site.pk)
    rows = [[_text(value) for value in row] for row in found.rows]
    columns = [name.replace("_", " ") for name in found.columns]
    tables = [Table(f"{site.name}, newest first (UTC)", columns, rows)]
    return _page(request, title, tables, site, after=found.after, with_site=True)


def _chosen(request: HttpRequest) -> tuple[Site | None, list[str]]:
    """The site whose key the address names, or why there is none."""
    key = request.GET.get("site", "").strip()
    if not key:
        return None, []
    site = Site.objects.filter(key=key).first() if key.isprintable() else None
    return site, [] if site else [f"{key[:60]}: no site has this key. Take it from the list of sites."]


def _found(
    listing: Listing, request: HttpRequest, site_id: int | None, since: datetime | None = None
) -> inspection.Page:
    try:
        return inspection.page(listing, site_id, request.GET.get("after", ""), since)
    except (inspection.BadMark, DataError) as error:  # an address that was typed or cut
        raise Http404("after: is no place in this list.") from error


def _page(
    request: HttpRequest,
    title: str,
    tables: list[Table],
    site: Site | None = None,
    problems: Sequence[str] = (),
    after: str | None = None,
    with_site: bool = False,
    status: int = 200,
) -> HttpResponse:
    named = {"site": site.key} if site else {}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": title,
        "tables": tables,
        "problems": problems,
        "with_site": with_site,
        "site_key": request.GET.get("site", ""),
        "sites": Site.objects.values_list("key", "name")[:MOST_SUGGESTED] if with_site else [],
        "next_url": f"?{urlencode({**named, 'after': after})}" if after else "",
    }
    return render(request, "admin/ingest/page.html", context, status=status)


def _figure(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _text(value: Any) -> str:
    """A cell: times to the second in UTC, JSON in one line, ids as they are."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
