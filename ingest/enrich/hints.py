"""User-Agent Client Hints (wicg.github.io/ua-client-hints): what Chromium browsers say beside their frozen agent.

A browser tells a stranger's server its brands, its platform and whether it is mobile; the versions and the form
only where the page's own server has let it (docs/acquisition.md#client-hints).
"""

import functools
import re
from collections.abc import Mapping

from ingest.event import Hints
from ingest.fields import mended

LONGEST = 300
BRAND = re.compile(r'"((?:[^"\\]|\\.){1,60})";\s*v="(\d{1,4})')
# Browsers whose agent says Chrome and no more. The order counts: a browser may name what it is built on too.
BRANDS = {
    "Brave": "Brave", "Vivaldi": "Vivaldi", "Opera GX": "Opera", "Opera": "Opera", "Microsoft Edge": "Edge",
    "Yandex": "Yandex Browser", "YaBrowser": "Yandex Browser", "Whale": "Whale", "DuckDuckGo": "DuckDuckGo",
    "Samsung Internet": "Samsung Internet", "Arc": "Arc", "HeadlessChrome": "Headless Chrome",
}  # fmt: skip
# Sec-CH-UA-Platform-Version of Windows counts its API contracts: 13 and later are Windows 11.
OLD_WINDOWS = {"0.1": "7", "0.2": "8", "0.3": "8.1"}
PLATFORMS = {"Windows": "Windows", "macOS": "macOS", "Mac OS X": "macOS", "Android": "Android"}
FORMS = {"tablet": "tablet", "automotive": "car", "xr": "headset", "watch": "watch"}


def of(headers: Mapping[str, str]) -> Hints | None:
    """HEADERS under lower-case names. None when there is none: Firefox and Safari send none."""
    brands = headers.get("sec-ch-ua-full-version-list") or headers.get("sec-ch-ua")
    if not brands:
        return None
    return _of(
        brands[:LONGEST],
        headers.get("sec-ch-ua-platform", "")[:40],
        headers.get("sec-ch-ua-platform-version", "")[:40],
        headers.get("sec-ch-ua-mobile", "")[:2] == "?1" and "Mobile" not in headers.get("user-agent", ""),
        headers.get("sec-ch-ua-form-factors", "")[:80],
    )


@functools.lru_cache(maxsize=4096)
def _of(brands: str, platform: str, platform_version: str, is_mobile: bool, form: str) -> Hints | None:
    """Only what says more than the agent travels on."""
    named = {name: version for name, version in BRAND.findall(brands) if name in BRANDS}
    found = Hints(
        brand=next((f"{name}/{named[name]}" for name in BRANDS if name in named), None),
        platform=mended(platform.strip('" ')) or None,
        platform_version=mended(platform_version.strip('" ')) or None,
        is_mobile=is_mobile,
        form=next((word for word in FORMS if word in form.lower()), None),
    )
    return None if found == Hints(platform=found.platform) else found


def brand_of(hints: Hints) -> tuple[str, str] | None:
    """Name and version of a browser that does not name itself in its agent."""
    name, _, version = (hints.brand or "").partition("/")
    return (BRANDS[name], version) if name in BRANDS else None


def os_version_of(hints: Hints, system: str | None) -> str | None:
    """The system's version as people speak of it; None where the hints and the agent name different systems."""
    version = hints.platform_version or ""
    if not re.fullmatch(r"\d{1,3}(?:\.\d{1,5}){0,3}", version) or PLATFORMS.get(hints.platform or "") != system:
        return None
    major, minor = [*version.split("."), "0"][:2]
    if system == "Windows":
        return _windows(int(major), f"{major}.{minor}")
    return major if minor == "0" else f"{major}.{minor}"


def _windows(contracts: int, version: str) -> str | None:
    if contracts == 0:
        return OLD_WINDOWS.get(version)
    return "11" if contracts >= 13 else "10"


def device_of(hints: Hints, device: str | None) -> str | None:
    """DEVICE is as the agent says: a phone that asks for a page as made for desktops looks like one there."""
    if hints.form in FORMS:
        return FORMS[hints.form]
    return "phone" if hints.is_mobile and device in (None, "desktop") else device
