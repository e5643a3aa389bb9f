"""/healthz: the process answers. /readyz: everything that an event needs is there."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from ingest import freshness, keeping, limits, partitions, queue, writer

BACKLOG_MOST = 100_000  # entries; more means that the writer does not keep up


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when ready, 503 with what is wrong otherwise. With HEALTH_TOKEN, or from this machine where no
    proxy stands in front; 404 for everybody else."""
    if not _may_look(request):
        raise Http404
    found = {name: problem_of(check) for name, check in CHECKS.items()}
    ready = not any(found.values())
    noted = {name: problem for name, check in NOTES.items() if (problem := problem_of(check))}
    answer = {"ready": ready, "checks": {name: problem or "ok" for name, problem in found.items()}, "notes": noted}
    return JsonResponse(answer, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


def _may_look(request: HttpRequest) -> bool:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.HEALTH_TOKEN and secrets.compare_digest(token.encode(), settings.HEALTH_TOKEN.encode()):
        return True
    # A proxy on this machine passes on anybody's request, and not each of them says so in a header.
    has_proxy = settings.HTTPS or settings.INGEST_TRUSTED_PROXIES > 0 or "X-Forwarded-For" in request.headers
    return not has_proxy and request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1")


def problem_of(check: Callable[[], Iterator[str]]) -> str:
    """The sentences of one check; "" when all is well."""
    try:
        return " ".join(check())
    except (DatabaseError, psycopg.Error, redis.RedisError) as error:
        return f"{type(error).__name__}: not reachable."


def _postgres() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        version = cursor.fetchone()[0]
    if version < 150_000:
        yield f"PostgreSQL {version // 10_000} is too old: 15 or newer is needed."


def _redis() -> Iterator[str]:
    try:
        yield from keeping.shortcomings()
    except redis.ResponseError as error:  # it answers, and refuses
        yield f"The settings of Redis cannot be read ({type(error).__name__}): allow INFO."


def _partitions() -> Iterator[str]:
    wanted = partitions.ahead(datetime.now(UTC), 2)
    missing = sorted(set(wanted) - partitions.existing(writer.connected()))
    if missing:
        yield f"No partition for {', '.join(map(str, missing))}. Run manage.py partitions."


def _writer() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT shard, until FROM ingest_shard WHERE until > now()")
        held = {shard for shard, _ in cursor.fetchall()}
    missing = [str(shard) for shard in range(settings.INGEST_SHARDS) if shard not in held]
    if missing:
        yield f"No writer for shard {', '.join(missing)}. Start manage.py write_events."


def _stream() -> Iterator[str]:
    backlog = queue.backlog()
    if backlog > BACKLOG_MOST:
        yield f"{backlog:,} batches wait in the stream: at most {BACKLOG_MOST:,} are normal."


def _freshness() -> Iterator[str]:
    yield from freshness.found(datetime.now(UTC)).sentences()


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "postgresql": _postgres,
    "redis": _redis,
    "partitions": _partitions,
    "writer": _writer,
    "stream": _stream,
}
# Told and no reason to send nobody here: what is open for lack of Redis must not be closed by a load balancer, and
# events are taken while figures are late.
NOTES: dict[str, Callable[[], Iterator[str]]] = {"rates": limits.shortcomings, "freshness": _freshness}
