"""The ingestion endpoint as a DRF view, for the schema and for servers other than ours.

`analytics_site.rsgi` answers the same requests over the same `collect` before Django is asked.
"""

import time
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.http import require_safe
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from ingest import arrivals, script
from ingest.body import too_large
from ingest.pipeline import Answer, collect, refused
from ingest.refusal import Refused


class OneAnswer(BaseContentNegotiation):
    """JSON whatever is asked for: an Accept header must not cost events. Nor is the query read, which Django
    would decode by the body's charset, and fail on odd ones."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class EventsView(APIView):
    """Takes 1 to 500 events of one site and says what became of each. See docs/api.md."""

    authentication_classes = ()  # a browser's cookie of an owner must make no difference
    permission_classes = ()
    content_negotiation_class = OneAnswer
    http_method_names = ["post", "options"]

    def post(self, request: Request) -> HttpResponse:
        return _response(_collected(request._request))

    def options(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return _response(arrivals.preflight())

    def http_method_not_allowed(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return _response(arrivals.not_allowed(request.method or ""))


def _collected(request: HttpRequest) -> Answer:
    try:
        length = arrivals.length_of(request.headers.get("Content-Length"), request.headers.get("Transfer-Encoding"))
        if length > settings.INGEST_MAX_BODY:
            raise too_large(settings.INGEST_MAX_BODY)
        body = _read(request, length)
    except Refused as refusal:
        return refused(refusal)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return collect(arrivals.of(body, headers, request.META.get("REMOTE_ADDR", ""), time.time()))


def _read(request: HttpRequest, length: int) -> bytes:
    try:
        body = request.read(length)
    except UnreadablePostError:  # the sender has left
        body = b""
    if len(body) < length:
        raise Refused(400, "incomplete", "The body ends before its Content-Length.")
    return body


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


@require_safe
def tracker(request: HttpRequest) -> HttpResponse:
    """The script that sites load."""
    return _response(script.answer(request.headers.get("If-None-Match", "")))
