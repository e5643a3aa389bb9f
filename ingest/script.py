"""The tracker as it is served: kept for an hour, then asked about by its ETag. The same for everyone."""

import functools
import hashlib
from typing import NamedTuple

from django.conf import settings

from ingest.pipeline import CORS, Answer


class Script(NamedTuple):
    body: bytes
    etag: str


@functools.cache
def script() -> Script:
    """Read once a process."""
    body = (settings.BASE_DIR / "static/tracker/analytics.js").read_bytes()
    return Script(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def answer(if_none_match: str) -> Answer:
    """304 without a body when the asker has this one."""
    found = script()
    headers = {
        **CORS,
        "Content-Type": "text/javascript; charset=utf-8",
        "Cache-Control": "public, max-age=3600",
        "ETag": found.etag,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    # A proxy that packs the script marks its tag as weak: W/"…".
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if found.etag in known:
        return Answer(304, b"", headers)
    return Answer(200, found.body, headers)
