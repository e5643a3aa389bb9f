"""Strict readers for environment variables: a bad value is refused by name, never guessed."""

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

DIGITS = re.compile(r"-?[0-9]{1,18}")
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The value of NAME, or the contents of the file named by NAME_FILE (for secrets)."""
    file = os.environ.get(f"{name}_FILE")
    if file and name not in os.environ:
        return _read(name, file)
    return os.environ.get(name, default)


def _read(name: str, file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={file}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"{name}_FILE={file}: cannot be read (not UTF-8).") from error


def flag(name: str, default: bool) -> bool:
    value = text(name).strip().lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name}={value}: must be true or false. See docs/settings.md.")


def integer(name: str, default: int, low: int = 0, high: int = 2**31) -> int:
    value = text(name).strip()
    if not value:
        return default
    # int() alone would also take 1_000 and ٥.
    if DIGITS.fullmatch(value) and low <= int(value) <= high:
        return int(value)
    raise ImproperlyConfigured(f"{name}={value}: must be a whole number from {low} to {high}. See docs/settings.md.")


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else default


def choice(name: str, default: str, allowed: set[str]) -> str:
    value = text(name).strip().lower() or default
    if value in allowed:
        return value
    raise ImproperlyConfigured(f"{name}={value}: must be one of {', '.join(sorted(allowed))}.")
