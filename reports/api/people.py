"""One person's data for programs: handed out, erased, and how far an erasure is.

Whose data stands in the body alone: addresses are written into logs.
"""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from ingest import tasks
from ingest.models import ApiKey, PersonRequest, Site
from ingest.people.find import Unclear, Who
from reports import people
from reports.access import Right, needs_key_or_member
from reports.asking import TROUBLE

AWAY = {"Retry-After": "60"}


class BadRequest(Exception):  # noqa: N818
    def __init__(self, error: str, field: str) -> None:
        super().__init__(error)
        self.field = field


def _who(request: HttpRequest, site: Site) -> Who:
    """Of the body `{"user_id": …}` or `{"visitor_id": …}`. Raises BadRequest."""
    try:
        told: Any = json.loads(request.body)
    except (ValueError, RecursionError):  # no JSON, text that is no UTF-8, nested without an end
        raise BadRequest("The body is no JSON.", "body") from None
    if not isinstance(told, dict) or len(told.keys() & people.WAYS.keys()) != 1:
        raise BadRequest("The body must be an object with user_id or visitor_id.", "body")
    [way] = told.keys() & people.WAYS.keys()
    try:
        return people.who_of(site, way, told[way])
    except Unclear as error:
        raise BadRequest(str(error), way) from error


def _refused(error: str, field: str, status: int, headers: dict[str, str] | None = None) -> JsonResponse:
    allowed = sorted(people.WAYS) if status == 400 else []
    return JsonResponse({"error": error, "field": field, "allowed": allowed}, status=status, headers=headers or {})


@require_POST
@never_cache
@needs_key_or_member(Right.EDIT, ApiKey.Scope.PEOPLE)
def export_person(request: HttpRequest, site: Site, asked_by: str) -> HttpResponse:
    try:
        return people.download(site, _who(request, site), asked_by)[1]
    except BadRequest as error:
        return _refused(str(error), error.field, 400)
    except TROUBLE:
        return _refused("The database did not answer. Try again in a minute.", "", 503, AWAY)


@require_POST
@never_cache
@needs_key_or_member(Right.EDIT, ApiKey.Scope.PEOPLE)
def erase_person(request: HttpRequest, site: Site, asked_by: str) -> HttpResponse:
    try:
        begun = tasks.begin_erasure(site.pk, _who(request, site), asked_by)
    except BadRequest as error:
        return _refused(str(error), error.field, 400)
    except OperationalError:
        return _refused("No worker can be reached. Nothing was erased; try again in a minute.", "", 503, AWAY)
    where = reverse("people_request_api", args=[site.key, begun.pk])
    return JsonResponse(people.state(begun), status=202, headers={"Location": where})


@require_safe
@never_cache
@needs_key_or_member(Right.EDIT, ApiKey.Scope.PEOPLE)
def request_state(request: HttpRequest, site: Site, asked_by: str, number: int) -> HttpResponse:
    found = PersonRequest.objects.filter(pk=number, site=site).first()
    if found is None:
        return _refused(f"{number}: the site has no such request.", "request", 404)
    return JsonResponse(people.state(found))
