"""The ingestion endpoint as a DRF view, for the schema and for servers other than ours.

`analytics_site.rsgi` answers the same requests over the same `collect` before Django is asked.
"""

import functools
import hashlib
import time
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.views import APIView

from ingest import arrivals
from ingest.body import too_large
from ingest.pipeline import Answer, collect, refused
from ingest.refusal import Refused


class EventsView(APIView):
    """Takes 1 to 500 events of one site and says what became of each. See docs/api.md."""

    authentication_classes = ()  # a browser's cookie of an owner must make no difference
    permission_classes = ()
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
        body = request.read(length)
        if len(body) < length:
            raise Refused(400, "incomplete", "The body ends before its Content-Length.")
    except Refused as refusal:
        return refused(refusal)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return collect(arrivals.of(body, headers, request.META.get("REMOTE_ADDR", ""), time.time()))


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


@require_safe
def tracker(request: HttpRequest) -> HttpResponse:
    """The script that sites load: kept for an hour, then asked about by its ETag. The same for everyone."""
    script = _script()
    answer = HttpResponse(script.body, content_type="text/javascript; charset=utf-8")
    answer.headers.update(
        {
            "Cache-Control": "public, max-age=3600",
            "ETag": script.etag,
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
    )
    return get_conditional_response(request, etag=script.etag, response=answer) or answer


class _Script(NamedTuple):
    body: bytes
    etag: str


@functools.cache
def _script() -> _Script:
    body = (settings.BASE_DIR / "static/tracker/analytics.js").read_bytes()
    return _Script(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
