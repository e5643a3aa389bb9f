"""Log-in and log-out."""

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from ingest import arrivals
from reports import throttle
from reports.forms import LoginForm


def _target(request: HttpRequest) -> str:
    """The page asked for, if it is one of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return settings.LOGIN_REDIRECT_URL


def _address(request: HttpRequest) -> str:
    return arrivals.address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def _page(request: HttpRequest, error: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "host": request.get_host(),
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "email": request.POST.get("email", ""),
        "error": error,
    }
    return render(request, "login.html", context, status=status)


def _minutes(seconds: int) -> str:
    minutes = max(1, -(-seconds // 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _refusal(tries: throttle.Tries) -> dict[str, str]:
    if tries.left <= 0:
        wait = _minutes(tries.seconds)
        return {"field": "password", "text": f"Too many tries {tries.whose}. Try again in {wait}."}
    left = "1 try" if tries.left == 1 else f"{tries.left} tries"
    text = f"E-mail and password do not match. {left} left, then a pause of 5 minutes."
    return {"field": "password", "text": text}


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_target(request))
    return _try(request) if request.method == "POST" else _page(request)


def _try(request: HttpRequest) -> HttpResponse:
    form = LoginForm(request.POST)
    if not form.is_valid():
        field, messages = next(iter(form.errors.items()))
        return _page(request, {"field": field, "text": str(messages[0])}, status=422)
    email, address = form.cleaned_data["email"], _address(request)
    tries = throttle.count(email, address)
    if not tries.is_allowed:
        return _page(request, _refusal(tries), status=429)
    user = authenticate(request, username=email, password=form.cleaned_data["password"])
    if user is None:
        return _page(request, _refusal(tries), status=422)
    throttle.forget(email, address)
    login(request, user)
    return redirect(_target(request))


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)
