"""DATABASE_URL, read by libpq's own rules, as a Django database."""

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def from_url(url: str | None) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?option=value`.

    None, when no server is known, gives settings that refuse at the first query, so that commands that need
    no database work.
    """
    try:
        parts = conninfo_to_dict(url or "")
    except psycopg.ProgrammingError as error:
        # The library's own words quote the whole, its password too.
        said = "is no address of a PostgreSQL server" if "@" in (url or "") else str(error).strip()
        raise ImproperlyConfigured(f"DATABASE_URL: {said}. Write postgresql://user:password@host:5432/name.") from None
    options = {name: value for name, value in parts.items() if name not in NAMES}
    return {
        "ENGINE": "django.db.backends.postgresql" if url else "analytics_site.no_database",
        **{NAMES[name]: str(value) for name, value in parts.items() if name in NAMES},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, **options} if url else {},
    }
