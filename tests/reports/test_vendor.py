"""What is served from static/vendor is what VERSIONS.md says, to the byte."""

import hashlib
import re
from pathlib import Path

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"


def listed() -> dict[str, str]:
    rows = re.findall(r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", (VENDOR / "VERSIONS.md").read_text(), re.MULTILINE)
    return dict(rows)


def test_every_vendored_file_has_the_listed_hash() -> None:
    for name, digest in listed().items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_no_vendored_file_is_unlisted() -> None:
    files = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert files - {"VERSIONS.md"} == set(listed())
