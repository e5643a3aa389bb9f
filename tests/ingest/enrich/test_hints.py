import pytest
from django.test import Client

from ingest.enrich import hints
from ingest.event import Hints
from ingest.models import Site
from tests.ingest.examples import CHROME, waiting

CHROMIUM = '"Chromium";v="126", "Not/A)Brand";v="8"'


def of(**headers: str) -> Hints | None:
    """HEADERS by their names after Sec-CH-UA, "" for that one itself."""
    return hints.of({f"sec-ch-ua{'-' if name else ''}{name}".replace("_", "-"): text for name, text in headers.items()})


def test_it_works() -> None:
    found = of(**{"": f'{CHROMIUM}, "Brave";v="126"', "platform": '"Windows"', "platform_version": '"15.0.0"'})
    assert found == Hints("Brave/126", "Windows", "15.0.0")
    assert hints.brand_of(found) == ("Brave", "126")


@pytest.mark.parametrize("brands", ["", CHROMIUM, f'{CHROMIUM}, "Google Chrome";v="126"', "x", '"' * 500, "\ud800"])
def test_brands_that_tell_nothing_new_are_not_carried(brands: str) -> None:
    assert of(**{"": brands, "platform": '"Linux"', "mobile": "?0"}) is None


@pytest.mark.parametrize(
    ("brand", "expected"),
    [
        ('"Microsoft Edge";v="126"', ("Edge", "126")),
        ('"Opera";v="112"', ("Opera", "112")),
        ('"YaBrowser";v="24.4", "Yowser";v="2.5"', ("Yandex Browser", "24")),
        ('"Microsoft Edge";v="126", "Brave";v="125"', ("Brave", "125")),
    ],
)
def test_a_brand_is_told_by_its_usual_name(brand: str, expected: tuple[str, str]) -> None:
    found = of(**{"": f"{CHROMIUM}, {brand}"})
    assert found is not None
    assert hints.brand_of(found) == expected


def test_the_full_list_of_versions_stands_in_for_the_short_one() -> None:
    found = of(**{"": CHROMIUM, "full_version_list": '"Brave";v="126.1.67.119"'})
    assert found == Hints("Brave/126")


@pytest.mark.parametrize(
    ("platform", "version", "system", "expected"),
    [
        ("Windows", "15.0.0", "Windows", "11"),
        ("Windows", "13.0.0", "Windows", "11"),
        ("Windows", "10.0.0", "Windows", "10"),
        ("Windows", "0.3.0", "Windows", "8.1"),
        ("Windows", "0.9.0", "Windows", None),
        ("macOS", "14.5.0", "macOS", "14.5"),
        ("macOS", "15.0.0", "macOS", "15"),
        ("Android", "14.0.0", "Android", "14"),
        ("Android", "14", "Android", "14"),
        ("Windows", "15.0.0", "Linux", None),
        ("Linux", "6.5.0", "Linux", None),
        ("Windows", "soon", "Windows", None),
        ("Windows", "9" * 40, "Windows", None),
        ("Windows", "", "Windows", None),
    ],
)
def test_the_systems_version_is_the_one_that_people_speak_of(
    platform: str, version: str, system: str, expected: str | None
) -> None:
    assert hints.os_version_of(Hints(None, platform, version), system) == expected


@pytest.mark.parametrize(
    ("found", "device", "expected"),
    [
        (Hints(is_mobile=True), "desktop", "phone"),
        (Hints(is_mobile=True), "tablet", "tablet"),
        (Hints(form="automotive"), "tablet", "car"),
        (Hints(form="xr"), "desktop", "headset"),
        (Hints(form="toaster"), "desktop", "desktop"),
        (Hints(), None, None),
    ],
)
def test_the_kind_of_device_is_known_better(found: Hints, device: str | None, expected: str | None) -> None:
    assert hints.device_of(found, device) == expected


def test_a_phone_that_says_so_in_its_agent_need_not_say_it_twice() -> None:
    headers = {"sec-ch-ua": CHROMIUM, "sec-ch-ua-mobile": "?1"}
    assert hints.of({**headers, "user-agent": "Chrome/126 Mobile Safari"}) is None
    assert hints.of({**headers, "user-agent": "X11; Linux"}) == Hints(is_mobile=True)


def test_hints_travel_with_the_batch(site: Site) -> None:
    brave = f'{CHROMIUM}, "Brave";v="126"'
    headers = {"User-Agent": CHROME, "Sec-CH-UA": brave, "Sec-CH-UA-Platform": '"Linux"'}
    body = {"site": site.key, "name": "pageview"}
    assert Client(headers=headers).post("/api/v1/events", body, "application/json").status_code == 202
    assert waiting()[0].context.hints == Hints("Brave/126", "Linux")
