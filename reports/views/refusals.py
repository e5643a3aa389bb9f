"""An address that asks for what cannot be answered: said in words, with a way out."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from reports.queries.query import QueryRefused

P = ParamSpec("P")


def refused_in_words(view: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """Answers 400 with the sentence of a QueryRefused; the link leads to the same page without its choices."""

    @wraps(view)
    def answering(*args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except QueryRefused as refusal:
            request = next(value for value in args if isinstance(value, HttpRequest))
            context = {"text": refusal.error, "here": request.path}
            return render(request, "refused.html", context, status=400)

    return answering
