import pytest

from ingest.enrich.useragent import UserAgent, parse

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) {}"

CASES = [
    (WINDOWS, ("Chrome", "126", "Windows", "10", "desktop")),
    (f"{WINDOWS} Edg/126.0.0.0", ("Edge", "126", "Windows", "10", "desktop")),
    (f"{WINDOWS} OPR/112.0.0.0", ("Opera", "112", "Windows", "10", "desktop")),
    (f"{MAC} Version/17.5 Safari/605.1.15", ("Safari", "17.5", "macOS", "10.15", "desktop")),
    (f"{IPHONE} Version/17.4 Mobile/15E148 Safari/604.1", ("Safari", "17.4", "iOS", "17.4", "phone")),
    (f"{IPHONE} CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1", ("Chrome", "126", "iOS", "17.4", "phone")),
    (f"{IPHONE} FxiOS/127.0 Mobile/15E148 Safari/605.1.15", ("Firefox", "127", "iOS", "17.4", "phone")),
    (
        IPHONE.replace("iPhone; CPU iPhone OS 17_4_1", "iPad; CPU OS 16_6")
        + " Version/16.6 Mobile/15E148 Safari/604.1",
        ("Safari", "16.6", "iOS", "16.6", "tablet"),
    ),
    (ANDROID.format("Pixel 8", "Chrome/126.0.0.0 Mobile Safari/537.36"), ("Chrome", "126", "Android", "14", "phone")),
    (ANDROID.format("Tab P11", "Chrome/126.0.0.0 Safari/537.36"), ("Chrome", "126", "Android", "14", "tablet")),
    (
        ANDROID.format("SM-S918B", "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"),
        ("Samsung Internet", "25", "Android", "14", "phone"),
    ),
    (
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        ("Firefox", "127", "Linux", None, "desktop"),
    ),
    (
        WINDOWS.replace("Windows NT 10.0; Win64; x64", "X11; CrOS x86_64 14541.0.0"),
        ("Chrome", "126", "ChromeOS", None, "desktop"),
    ),
    (
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
        ("Internet Explorer", "11", "Windows", "7", "desktop"),
    ),
]


def test_it_works() -> None:
    assert parse(WINDOWS) == UserAgent("Chrome", "126", "Windows", "10", "desktop")


@pytest.mark.parametrize(("agent", "expected"), CASES)
def test_it_names_what_people_use(agent: str, expected: tuple[str | None, ...]) -> None:
    assert parse(agent) == expected


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) TV Safari/537.36", "tv"),
        ("Mozilla/5.0 (Linux; Android 9; AFTMM) AppleWebKit/537.36 (KHTML, like Gecko) Silk/110.1 like Chrome", "tv"),
        ("Mozilla/5.0 (PlayStation; PlayStation 5/6.50) AppleWebKit/605.1.15 (KHTML, like Gecko)", "console"),
        ("Mozilla/5.0 (Linux; Android 11; SM-R890) AppleWebKit/537.36 Chrome/100.0 Mobile Safari/537", "watch"),
        ("Mozilla/5.0 (Linux; Android 13; Pixel Tablet) AppleWebKit/537.36 Chrome/120.0 Safari/537", "tablet"),
        ("Opera/9.80 (MTK; Opera Mini/2.1199/34.1244; U; id) Presto/2.8.119 Version/11.10", "phone"),
    ],
)
def test_it_tells_the_kind_of_device(agent: str, device: str) -> None:
    assert parse(agent).device == device


@pytest.mark.parametrize("agent", [None, "", "curl/8.5.0 \x00", "(((", "x" * 100_000])
def test_what_is_no_browser_has_no_device(agent: str | None) -> None:
    assert parse(agent).device is None


def test_a_browser_is_itself_in_another_programs_window() -> None:
    agent = ANDROID.format("Pixel 8; wv", "Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36")
    assert parse(agent).browser == "Chrome"


def test_an_agent_is_read_once() -> None:
    parse.cache_clear()
    assert parse(WINDOWS) is parse(WINDOWS)
