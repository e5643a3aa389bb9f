"""Django as a WSGI callable: behind `analytics_site.rsgi`, and for servers other than ours."""

import os
from collections.abc import Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")
django.setup(set_prefix=False)

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402  the settings come first

from ingest import body  # noqa: E402
from ingest.pipeline import refused  # noqa: E402
from ingest.refusal import Refused  # noqa: E402


class Handler(WSGIHandler):
    """Refuses bodies in other charsets than UTF-8: Django reads the query by the body's charset, before any
    middleware, and fails on those that are no text (bz2, rot13)."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # type: ignore[override]
        content_type = environ.get("CONTENT_TYPE", "")
        if body.is_utf8(content_type):
            return super().__call__(environ, start_response)
        answer = refused(Refused(415, "unsupported_media_type", f"{content_type[:80]!r}: send UTF-8."))
        start_response("415 Unsupported Media Type", list(answer.headers.items()))
        return [answer.body]


application = Handler()
