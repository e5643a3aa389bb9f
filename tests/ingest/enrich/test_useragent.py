import pytest

from ingest.enrich import useragent
from ingest.enrich.useragent import UserAgent, parse
from ingest.event import Hints

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
    (f"{WINDOWS} YaBrowser/24.4.0.0", ("Yandex Browser", "24", "Windows", "10", "desktop")),
    (f"{WINDOWS} Vivaldi/6.7", ("Vivaldi", "6", "Windows", "10", "desktop")),
    (f"{WINDOWS} Teams/1.5 Electron/30", ("Microsoft Teams", "1", "Windows", "10", "desktop")),
    (
        "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko",
        ("Internet Explorer", "11", "Windows", "8.1", "desktop"),
    ),
    (
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36",
        ("Chrome", "94", "webOS", None, "tv"),
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
        ("Mozilla/5.0 (Linux; Android 11; MIBOX4) AppleWebKit/537.36 Chrome/99.0 Safari/537.36", "tv"),
        ("Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 Chrome/90.0 Safari/537.36 CrKey/1.56", "tv"),
        ("Roku/DVP-12.5 (12.5.0.4178-C0)", "tv"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 Edg/126.0.0.0", "console"),
        ("Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 NintendoBrowser/5.1.0", "console"),
        ("Mozilla/5.0 (X11; Linux x86_64; Quest 3) AppleWebKit/537.36 OculusBrowser/32.0 VR Safari/537", "headset"),
        ("Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 Chrome/79.0 Safari/537.36 Tesla/2023.44", "car"),
        ("Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", "phone"),
        ("Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0", "tablet"),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:127.0) Gecko/20100101 Firefox/127.0", "desktop"),
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


IN_APPS = """
Instagram           330   iphone   Instagram 330.0.3.29.109 (iPhone14,5; iOS 17_4_1; en_US)
Instagram           406   android  Instagram 406.0.0.58.159 Android (35/15; 480dpi)
Threads             331   android  Barcelona 331.0.0.23.109 Android
Facebook            460   iphone   [FBAN/FBIOS;FBAV/460.0.0.33.105;FBBV/588;FBDV/iPhone14,5]
Facebook            443   android  [FB_IAB/FB4A;FBAV/443.0.0.23.229;IABMV/1;]
Facebook            -     android  MetaIAB Facebook
Facebook Messenger  450   iphone   [FBAN/MessengerForiOS;FBAV/450.0.0.33.108]
Facebook Messenger  450   android  [FB_IAB/Orca-Android;FBAV/450.0.0.48.109;]
TikTok              34    iphone   musical_ly_34.2.0 JsSdk/2.0 NetType/WIFI BytedanceWebview/d8a21c6
TikTok              -     android  trill_340203 BytedanceWebview/d8a21c6
LinkedIn            9     iphone   [LinkedInApp]/9.29.4467
LINE                14    android  Line/14.5.0/IAB
WeChat              8     iphone   MicroMessenger/8.0.48(0x18003030) NetType/4G Language/zh_CN
WeChat              8     android  MMWEBID/1 MicroMessenger/8.0.48.2580
Google app          312   iphone   GSA/312.0.622 Safari/604.1
Pinterest           -     iphone   [Pinterest/iOS]
Snapchat            12    android  Snapchat12.83.0.30
X (Twitter)         10    iphone   Twitter for iPhone/10.38
X (Twitter)         -     android  TwitterAndroid
Reddit              2024  iphone   Reddit/Version 2024.17/Build 1/iOS 17
KakaoTalk           10    android  KAKAOTALK 10.7.5 (INAPP)
NAVER               -     iphone   NAVER(inapp; search; 1210; 12.5.3; 14PRO)
Baidu               13    iphone   baiduboxapp/13.60
QQ                  9     iphone   QQ/9.0.55.613 Pixel/1170
DuckDuckGo          7     iphone   DuckDuckGo/7 Safari/605.1.15
Edge                124   iphone   EdgiOS/124.0 Version/17.0 Safari/604.1
Brave               1     iphone   Brave/1.60 Safari
MIUI Browser        14    android  XiaoMi/MiuiBrowser/14.10.1-gn
Huawei Browser      15    android  HuaweiBrowser/15.0.4
""".strip().splitlines()


@pytest.mark.parametrize("line", IN_APPS)
def test_a_page_inside_an_app_is_the_apps(line: str) -> None:
    browser, version, on, rest = line[:20].strip(), line[20:26].strip(), line[26:35].strip(), line[35:]
    begin = IPHONE + " Mobile/15E148" if on == "iphone" else ANDROID.format("Pixel 8; wv", "Chrome/126.0.0.0 Mobile")
    found = parse(f"{begin} {rest}")
    assert (found.browser, found.browser_version or "-") == (browser, version)
    assert (found.os, found.device) == ({"iphone": "iOS", "android": "Android"}[on], "phone")


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (Hints(brand="Brave/127"), ("Brave", "127", "Windows", "10", "desktop")),
        (Hints(platform="Windows", platform_version="15.0.0"), ("Chrome", "126", "Windows", "11", "desktop")),
        (Hints(is_mobile=True), ("Chrome", "126", "Windows", "10", "phone")),
        (Hints(form="tablet"), ("Chrome", "126", "Windows", "10", "tablet")),
        (Hints(brand="Nobody/1", platform="macOS", platform_version="15.0"), None),
    ],
)
def test_hints_tell_what_a_frozen_agent_does_not(hints: Hints, expected: tuple[str, ...] | None) -> None:
    assert parse(WINDOWS, hints) == (expected or parse(WINDOWS))


def test_a_browser_that_names_itself_in_its_agent_keeps_that_name() -> None:
    assert parse(f"{WINDOWS} Edg/126.0.0.0", Hints(brand="Brave/127")).browser == "Edge"


def test_a_browser_is_itself_in_another_programs_window() -> None:
    agent = ANDROID.format("Pixel 8; wv", "Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36")
    assert parse(agent).browser == "Chrome"


def test_an_agent_is_read_once() -> None:
    useragent._parse.cache_clear()
    assert parse(WINDOWS) is parse(WINDOWS)
