"""What the demo's traffic is drawn from. Every row ends with its weight."""

from typing import NamedTuple

from ingest.event import Context


class Page(NamedTuple):
    path: str
    title: str
    entries: float  # how often sessions begin here
    weight: float  # how often they pass through


PAGES = [
    Page("/", "Tea, coffee and what they need", 300, 150),
    Page("/tea", "All teas", 70, 150),
    Page("/tea/green", "Green tea", 45, 90),
    Page("/tea/black", "Black tea", 30, 70),
    Page("/tea/herbal", "Herbal tea", 20, 50),
    Page("/tea/green/sencha", "Sencha", 40, 60),
    Page("/tea/green/gyokuro", "Gyokuro", 14, 28),
    Page("/tea/green/matcha", "Matcha", 60, 72),
    Page("/tea/green/genmaicha", "Genmaicha", 8, 20),
    Page("/tea/black/assam", "Assam", 12, 30),
    Page("/tea/black/darjeeling", "Darjeeling First Flush", 22, 38),
    Page("/tea/black/earl-grey", "Earl Grey", 18, 36),
    Page("/tea/black/lapsang", "Lapsang Souchong", 6, 14),
    Page("/tea/herbal/rooibos", "Rooibos", 9, 22),
    Page("/tea/herbal/peppermint", "Peppermint", 6, 16),
    Page("/coffee", "All coffees", 40, 90),
    Page("/coffee/espresso", "Espresso blend", 25, 46),
    Page("/coffee/filter", "Filter roast", 16, 34),
    Page("/coffee/decaf", "Decaf", 7, 14),
    Page("/coffee/ethiopia-yirgacheffe", "Ethiopia Yirgacheffe", 11, 22),
    Page("/equipment", "Pots, cups and kettles", 22, 60),
    Page("/equipment/teapot-glass", "Glass teapot", 12, 26),
    Page("/equipment/kyusu", "Kyusu", 8, 18),
    Page("/equipment/kettle-gooseneck", "Gooseneck kettle", 16, 30),
    Page("/equipment/hand-grinder", "Hand grinder", 10, 22),
    Page("/equipment/scale", "Brewing scale", 5, 12),
    Page("/gifts", "Gift sets", 18, 44),
    Page("/gifts/tasting-set", "Tasting set", 9, 24),
    Page("/subscription", "Tea every month", 26, 52),
    Page("/journal", "Journal", 8, 30),
    Page("/journal/how-to-brew-green-tea", "How to brew green tea", 110, 26),
    Page("/journal/matcha-without-lumps", "Matcha without lumps", 64, 18),
    Page("/journal/water-temperature", "Which water temperature for which tea", 48, 15),
    Page("/journal/first-flush-or-second", "First flush or second?", 20, 9),
    Page("/journal/cold-brew", "Cold brew in three steps", 30, 12),
    Page("/journal/caffeine-compared", "Caffeine in tea and coffee, compared", 72, 12),
    Page("/shipping", "Shipping and returns", 4, 40),
    Page("/about", "About us", 6, 24),
    Page("/contact", "Contact", 3, 14),
    Page("/search", "Search", 0, 36),
]
CART, CHECKOUT, THANKS = (
    Page("/cart", "Your cart", 0, 0),
    Page("/checkout", "Checkout", 0, 0),
    Page("/checkout/thanks", "Thank you", 0, 0),
)


class Arrival(NamedTuple):
    """How a session came: referrer, the entry page's query, and whether it reads the journal or looks at goods."""

    referrer: str | None
    query: str | None
    weight: float


ARRIVALS = [
    Arrival(None, None, 300),
    Arrival("https://www.google.com/", None, 270),
    Arrival("https://www.google.de/", None, 60),
    Arrival("https://www.bing.com/", None, 38),
    Arrival("https://duckduckgo.com/", None, 34),
    Arrival("https://www.ecosia.org/", None, 10),
    Arrival("https://chatgpt.com/", None, 26),
    Arrival("https://www.perplexity.ai/", None, 12),
    Arrival("https://gemini.google.com/", None, 6),
    Arrival("https://claude.ai/", None, 5),
    Arrival("https://www.reddit.com/", None, 24),
    Arrival("https://news.ycombinator.com/", None, 7),
    Arrival("https://l.instagram.com/", None, 34),
    Arrival("https://m.facebook.com/", None, 22),
    Arrival("https://t.co/", None, 9),
    Arrival("https://www.pinterest.com/", None, 16),
    Arrival("https://www.linkedin.com/", None, 5),
    Arrival("https://www.youtube.com/", None, 18),
    Arrival("https://en.wikipedia.org/", None, 8),
    Arrival("https://tea-forum.example/", None, 14),
    Arrival("https://kitchen-blog.example/", None, 11),
    Arrival("https://www.slow-coffee.example/", None, 8),
    Arrival(None, "utm_source=newsletter&utm_medium=email&utm_campaign=autumn-harvest", 44),
    Arrival(None, "utm_source=newsletter&utm_medium=email&utm_campaign=gift-guide", 22),
    Arrival("https://www.google.com/", "utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=demo", 36),
    Arrival("https://www.google.com/", "utm_source=google&utm_medium=cpc&utm_campaign=matcha&utm_term=matcha", 24),
    Arrival("https://l.facebook.com/", "utm_source=facebook&utm_medium=paid_social&utm_campaign=gift-guide", 18),
    Arrival(None, "utm_source=kitchen-blog&utm_medium=affiliate&utm_campaign=partners", 9),
]

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/{} (KHTML, like Gecko) {}"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) {}"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {}"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) {}"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {}"
IPAD = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {}"
CHROME, SAFARI = "Chrome/{}.0.0.0 Safari/537.36", "Version/{} Safari/605.1.15"
MOBILE_CHROME = "Chrome/{}.0.0.0 Mobile Safari/537.36"


class Device(NamedTuple):
    agent: str
    screens: tuple[str, ...]
    weight: float


DESKTOP, SMALL = ("1920x1080", "2560x1440", "1536x864", "1366x768"), ("390x844", "393x852", "430x932", "412x915")
DEVICES = [
    Device(WINDOWS.format(CHROME.format(142)), DESKTOP, 190),
    Device(WINDOWS.format(CHROME.format(141)), DESKTOP, 40),
    Device(WINDOWS.format(CHROME.format(142)) + " Edg/142.0.0.0", DESKTOP, 62),
    Device("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", DESKTOP, 44),
    Device(WINDOWS.format(CHROME.format(140)) + " OPR/124.0.0.0", DESKTOP, 9),
    Device(MAC.format("537.36", CHROME.format(142)), ("1440x900", "1512x982", "2560x1440"), 88),
    Device(MAC.format("605.1.15", SAFARI.format("18.6")), ("1440x900", "1512x982", "1728x1117"), 76),
    Device("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0", ("1440x900",), 12),
    Device("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", DESKTOP, 18),
    Device(LINUX.format(CHROME.format(142)), DESKTOP, 14),
    Device(IPHONE.format("6", "Version/18.6 Mobile/15E148 Safari/604.1"), SMALL, 210),
    Device(IPHONE.format("5", "Version/18.5 Mobile/15E148 Safari/604.1"), SMALL, 50),
    Device(IPHONE.format("6", "CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1"), SMALL, 28),
    Device(ANDROID.format(MOBILE_CHROME.format(142)), SMALL, 150),
    Device(ANDROID.format("SamsungBrowser/28.0 " + MOBILE_CHROME.format(130)), SMALL, 36),
    Device("Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", SMALL, 12),
    Device(IPAD.format("Version/18.5 Mobile/15E148 Safari/604.1"), ("820x1180", "1024x1366"), 26),
    Device(ANDROID.format(CHROME.format(142)), ("800x1280",), 10),
]


class Place(NamedTuple):
    country: str
    region: str
    city: str
    lat: float
    lon: float
    language: str
    timezone: str
    weight: float

    @property
    def context(self) -> Context:
        return Context(**{name: value for name, value in self._asdict().items() if name != "weight"})


PLACES = [
    Place("DE", "Berlin", "Berlin", 52.52, 13.4, "de-DE", "Europe/Berlin", 150),
    Place("DE", "Bavaria", "Munich", 48.14, 11.58, "de-DE", "Europe/Berlin", 80),
    Place("DE", "Hamburg", "Hamburg", 53.55, 9.99, "de-DE", "Europe/Berlin", 70),
    Place("AT", "Vienna", "Vienna", 48.21, 16.37, "de-AT", "Europe/Vienna", 55),
    Place("CH", "Zurich", "Zurich", 47.37, 8.54, "de-CH", "Europe/Zurich", 48),
    Place("GB", "England", "London", 51.51, -0.13, "en-GB", "Europe/London", 95),
    Place("GB", "Scotland", "Edinburgh", 55.95, -3.19, "en-GB", "Europe/London", 22),
    Place("US", "New York", "New York", 40.71, -74.01, "en-US", "America/New_York", 85),
    Place("US", "California", "San Francisco", 37.77, -122.42, "en-US", "America/Los_Angeles", 60),
    Place("US", "Texas", "Austin", 30.27, -97.74, "en-US", "America/Chicago", 26),
    Place("FR", "Île-de-France", "Paris", 48.86, 2.35, "fr-FR", "Europe/Paris", 52),
    Place("NL", "North Holland", "Amsterdam", 52.37, 4.9, "nl-NL", "Europe/Amsterdam", 44),
    Place("BE", "Brussels Capital", "Brussels", 50.85, 4.35, "fr-BE", "Europe/Brussels", 18),
    Place("IT", "Lombardy", "Milan", 45.46, 9.19, "it-IT", "Europe/Rome", 24),
    Place("ES", "Madrid", "Madrid", 40.42, -3.7, "es-ES", "Europe/Madrid", 22),
    Place("PL", "Mazovia", "Warsaw", 52.23, 21.01, "pl-PL", "Europe/Warsaw", 22),
    Place("CZ", "Prague", "Prague", 50.08, 14.44, "cs-CZ", "Europe/Prague", 12),
    Place("DK", "Capital Region", "Copenhagen", 55.68, 12.57, "da-DK", "Europe/Copenhagen", 14),
    Place("SE", "Stockholm", "Stockholm", 59.33, 18.07, "sv-SE", "Europe/Stockholm", 16),
    Place("IE", "Leinster", "Dublin", 53.35, -6.26, "en-IE", "Europe/Dublin", 12),
    Place("CA", "Ontario", "Toronto", 43.65, -79.38, "en-CA", "America/Toronto", 24),
    Place("JP", "Tokyo", "Tokyo", 35.68, 139.69, "ja-JP", "Asia/Tokyo", 16),
    Place("AU", "New South Wales", "Sydney", -33.87, 151.21, "en-AU", "Australia/Sydney", 16),
    Place("IN", "Karnataka", "Bengaluru", 12.97, 77.59, "en-IN", "Asia/Kolkata", 18),
    Place("BR", "São Paulo", "São Paulo", -23.55, -46.63, "pt-BR", "America/Sao_Paulo", 10),
]

# How busy each hour of the site's day is, and each day of its week from Monday on.
HOURS = [9, 6, 4, 3, 3, 5, 12, 24, 38, 48, 54, 56, 58, 54, 52, 50, 50, 52, 56, 62, 66, 58, 40, 20]
WEEK = [1.0, 1.04, 1.05, 1.02, 0.94, 0.82, 0.9]
OUTBOUND = ["https://www.instagram.com/", "https://tea-forum.example/brewing", "https://parcel.example/track"]
