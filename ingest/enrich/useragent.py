"""Browser, operating system and kind of device, under the names that people use.

ua-parser's rules (uap-core, Apache-2.0) find families and versions; the tables here merge what are one browser
to a reader, and tell the kind of device, which those rules do not.
"""

import functools
import re
from typing import NamedTuple

from ua_parser import OS, Domain
from ua_parser import UserAgent as Found
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from ingest.enrich.hints import brand_of, device_of, os_version_of
from ingest.event import Hints

LONGEST = 512  # as much of an agent as the door keeps


class UserAgent(NamedTuple):
    """None where the agent does not say.

    `browser` is the app where the page is shown inside one. `device` is one of desktop, phone, tablet, tv,
    console, watch, car, headset.
    """

    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None


# "Chrome Mobile WebView", "Firefox iOS", "Edge Mobile": the same browser on another device.
VARIANT = re.compile(r"^(?:Mobile )|(?: (?:Mobile|iOS|Android|Tablet|WebView|UI/WKWebView|ESR))+$")
BROWSERS = {
    "Android": "Android Browser",
    "IE": "Internet Explorer",
    "Opera Touch": "Opera",
    "Opera Neon": "Opera",
    "Chromium": "Chrome",
    "HeadlessChrome": "Headless Chrome",
    "Amazon Silk": "Silk",
    "MiuiBrowser": "MIUI Browser",
    "Baidu Explorer": "Baidu Browser",
    "Oculus Browser": "Meta Quest Browser",
}
# Apps that show pages in a window of their own, under how their agents name them, before the version if they tell
# one. In this order: Messenger says Facebook too. The rules of uap-core know about half of them.
APPS = {
    "instagram": "Instagram", "barcelona": "Threads", "fban/messenger": "Facebook Messenger",
    "orca-android": "Facebook Messenger", "fban/": "Facebook", "fb_iab/": "Facebook", "metaiab facebook": "Facebook",
    "musical_ly": "TikTok", "bytedancewebview": "TikTok", "linkedinapp": "LinkedIn", " line/": "LINE",
    "micromessenger": "WeChat", "gsa/": "Google app", "[pinterest": "Pinterest", "snapchat": "Snapchat",
    "twitter for": "X (Twitter)", "twitterandroid": "X (Twitter)", "reddit/": "Reddit", "kakaotalk": "KakaoTalk",
    "naver(inapp": "NAVER", "weibo": "Weibo", "baiduboxapp": "Baidu", " qq/": "QQ", "telegram": "Telegram",
    "slack/": "Slack", "teams/": "Microsoft Teams", "discord/": "Discord", "whale/": "Whale",
    "huaweibrowser/": "Huawei Browser", "tesla/": "Tesla", "electron/": "Electron",
}  # fmt: skip
# Meta's apps tell theirs under another name; Line and others give a phone's model first.
APP_VERSION = re.compile(
    r"fbav/(\d+)|(?:instagram|barcelona|musical_ly_?|linkedinapp\]?|line|micromessenger|gsa|snapchat|twitter for iphone"
    r"|reddit/version|kakaotalk|baiduboxapp|qq|telegram|slack|teams|discord|whale|huaweibrowser|tesla|electron)"
    r"[/ ]?(\d{1,4})(?!\d)"
)
SYSTEMS = {
    "Mac OS X": "macOS", "Mac OS": "macOS", "ATV OS X": "tvOS", "WatchOS": "watchOS", "Chrome OS": "ChromeOS",
    "Web0S": "webOS", "Chromecast Linux": "Chromecast",
}  # fmt: skip
LINUXES = {"Ubuntu", "Kubuntu", "Debian", "Fedora", "Linux Mint", "Arch Linux", "Red Hat", "SUSE", "openSUSE", "CentOS",
           "Gentoo", "Mageia", "Mandriva", "Slackware", "Raspbian"}  # fmt: skip
# Where a minor version is one that people speak of; elsewhere it only splits the rows of a report.
WITH_MINOR = {"Safari", "Opera Mini", "macOS", "iOS", "Android", "Windows"}

UNNUMBERED = {"ChromeOS", "Linux"}  # builds and kernels: nobody knows theirs

# In this order: a television may say Android, a tablet may say Mobile, a headset and a car anything.
DEVICES = (
    ("console", re.compile(r"playstation|xbox|nintendo")),
    ("headset", re.compile(r"oculusbrowser|\bquest(?: \d| pro)?\)|\bpico \d|pico neo")),
    ("car", re.compile(r"\btesla/|qtcarbrowser|polestar|android automotive|\bcarplay")),
    ("tv", re.compile(r"smart-?tv|tizen.*\btv\b|web0?s\b.*tv|web0s|apple ?tv|google ?tv|android ?tv|\baft[a-z]|bravia"
                      r"|roku|hbbtv|crkey|chromecast|netcast|viera|nettv|\bdtv\b|\bmi ?(?:box|tv)|vidaa"
                      r"|shield android")),
    ("watch", re.compile(r"watch ?os|apple ?watch|\bsm-r\d{3}|galaxy watch|wear os")),
    ("tablet", re.compile(r"ipad|tablet(?! pc)|kindle|\bsilk/(?!.*mobile)|playbook|nexus (?:7|9|10)\b|\bsm-[tx]\d"
                          r"|^(?!.*mobi).*android")),
    ("phone", re.compile(r"mobi|iphone|ipod|windows phone|blackberry|bb10|opera mini|symbian|nokia|samsung-"
                         r"|sonyericsson|docomo|midp|kaios|ucweb")),
    ("desktop", re.compile(r"windows nt|macintosh|x11|linux|cros|windows|bsd|sunos|os/2")),
)  # fmt: skip

_resolve = Resolver(load_lazy_builtins())


def parse(user_agent: str | None, hints: Hints | None = None) -> UserAgent:
    """17 microseconds when new, 0.1 when seen before; more where the browser sent hints."""
    agent = _parse(user_agent)
    return refined(agent, hints) if hints else agent


def refined(agent: UserAgent, hints: Hints) -> UserAgent:
    """The agent with what client hints know better."""
    brand = brand_of(hints) if agent.browser == "Chrome" else None
    version = os_version_of(hints, agent.os)
    return agent._replace(
        browser=brand[0] if brand else agent.browser,
        browser_version=brand[1] if brand else agent.browser_version,
        os_version=version or agent.os_version,
        device=device_of(hints, agent.device),
    )


@functools.lru_cache(maxsize=20_000)
def _parse(user_agent: str | None) -> UserAgent:
    if not user_agent:
        return UserAgent()
    agent = user_agent[:LONGEST]
    found = _resolve(agent, Domain.USER_AGENT | Domain.OS)
    browser, system = _browser(found.user_agent), _system(found.os)
    lower = agent.lower()
    app = next((app for part, app in APPS.items() if part in lower), None)
    return UserAgent(
        app or browser,
        _app_version(lower) if app else _version(browser, found.user_agent),
        system,
        _version(system, found.os),
        _device(lower),
    )


def _app_version(agent: str) -> str | None:
    found = APP_VERSION.search(agent)
    return found and (found[1] or found[2])


def _browser(found: Found | None) -> str | None:
    if found is None or found.family == "Other":
        return None
    name = VARIANT.sub("", found.family) or found.family
    return BROWSERS.get(name, name)


def _system(found: OS | None) -> str | None:
    if found is None or found.family == "Other":
        return None
    return "Linux" if found.family in LINUXES else SYSTEMS.get(found.family, found.family)


def _version(name: str | None, found: Found | OS | None) -> str | None:
    if found is None or found.major is None or name in UNNUMBERED:
        return None
    is_named_by_minor = name in WITH_MINOR and found.minor not in (None, "0")
    return f"{found.major}.{found.minor}" if is_named_by_minor else found.major


def _device(agent: str) -> str | None:
    return next((device for device, rule in DEVICES if rule.search(agent)), None)
