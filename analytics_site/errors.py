"""What is answered where no view did: JSON under /api/, since programs ask there, and a page everywhere else."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from ingest.pipeline import refused
from ingest.refusal import Refused

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    if isinstance(exception, DisallowedHost):
        return _json(Refused(400, "bad_host", "Host: not one of ours. Add it to ALLOWED_HOSTS; see docs/settings.md."))
    return _json(Refused(400, "bad_request", "The request cannot be read."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    return _json(Refused(404, "not_found", f"{request.path[:80]}: nothing is at this address. See docs/api.md."))


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return _json(Refused(500, "internal", "This is our fault. Send the request again."))


def _json(refusal: Refused) -> HttpResponse:
    answer = refused(refusal)
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
