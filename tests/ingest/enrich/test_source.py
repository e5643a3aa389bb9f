import pytest

from ingest.enrich.source import Acquisition, acquisition_of, external, is_spam, kept_query

HOST = "shop.example.com"


def came(referrer: str | None = None, query: str | None = None) -> Acquisition:
    return acquisition_of(referrer, query, HOST)


def test_it_works() -> None:
    found = came("https://www.google.com/search?q=shoes", "utm_medium=cpc&utm_campaign=Spring+sale&page=2")
    assert found == Acquisition(
        source="Google", referrer="https://www.google.com/search", utm_medium="cpc", utm_campaign="Spring sale"
    )


@pytest.mark.parametrize(
    ("referrer", "source"),
    [
        ("https://www.google.co.uk/", "Google"),
        ("https://google.de", "Google"),
        ("https://news.google.com/x", "Google News"),
        ("https://docs.google.com/document", "Google Docs"),
        ("https://old.reddit.com/r/django", "Reddit"),
        ("https://t.co/abc", "X (Twitter)"),
        ("https://x.com/", "X (Twitter)"),
        ("https://lm.facebook.com/l.php", "Facebook"),
        ("https://m.youtube.com/watch", "YouTube"),
        ("https://youtu.be/x", "YouTube"),
        ("https://en.m.wikipedia.org/wiki/Shoe", "Wikipedia"),
        ("https://notwikipedia.org", "notwikipedia.org"),
        ("https://yandex.com.tr/", "Yandex"),
        ("https://chatgpt.com/", "ChatGPT"),
        ("https://gemini.google.com/app", "Google Gemini"),
        ("https://mail.google.com/", "Gmail"),
        ("https://ukc-word-edit.officeapps.live.com", "Microsoft 365"),
        ("https://www.partner.example/", "partner.example"),
        ("android-app://com.reddit.frontpage/", "Reddit"),
        ("android-app://com.instagram.android/", "Instagram"),
        ("android-app://com.laurencedawson.reddit_sync.pro", "Reddit"),
        ("android-app://com.example.android", "com.example.android"),
        ("https://walmart.com", "walmart.com"),
        ("http://localhost:3000/", "localhost"),
    ],
)
def test_a_referring_site_is_told_by_its_name(referrer: str, source: str) -> None:
    assert came(referrer).source == source


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("GOOGLE", "Google"),
        ("fb", "Facebook"),
        ("fbad", "Facebook"),
        ("facebook_feed_ad", "Facebook"),
        ("ig", "Instagram"),
        ("yt", "YouTube"),
        ("Reddit-ads", "Reddit"),
        ("Adwords", "Google"),
        ("threads", "Threads"),
        ("chatgpt.com", "ChatGPT"),
        ("Our-Partner", "Our-Partner"),
        ("Newsletter-UK", "Newsletter-UK"),
    ],
)
def test_a_campaigns_word_is_told_by_its_name(word: str, source: str) -> None:
    found = came("https://www.bing.com/", f"utm_source={word}")
    assert (found.source, found.utm_source) == (source, word)


@pytest.mark.parametrize("name", ["utm_source", "source", "ref", "UTM_SOURCE", "amp;utm_source"])
def test_a_source_may_be_said_in_several_ways(name: str) -> None:
    assert came(None, f"a=b&{name}=producthunt").source == "Product Hunt"


def test_the_first_way_to_say_it_wins() -> None:
    assert came(None, "ref=github&utm_source=reddit").source == "Reddit"


@pytest.mark.parametrize("referrer", [None, "", "-", "about:blank", "javascript:alert(1)", "https://[::1", "(blocked)"])
def test_what_is_no_address_is_direct(referrer: str | None) -> None:
    assert came(referrer) == Acquisition("Direct")


@pytest.mark.parametrize(
    "referrer",
    [
        "https://shop.example.com/a",
        "http://www.shop.example.com:8080",
        "https://pay.shop.example.com",
        "shop.example.com",
    ],
)
def test_the_sites_own_pages_are_no_source(referrer: str) -> None:
    assert came(referrer) == Acquisition("Direct")


@pytest.mark.parametrize(
    "referrer", ["https://example.com/", "https://myshop.example.com/", "https://shop.example.com.evil.test/"]
)
def test_a_neighbours_pages_are_a_source(referrer: str) -> None:
    assert came(referrer).referrer == referrer


def test_www_of_the_own_host_makes_no_difference() -> None:
    assert external("https://example.com/", "www.example.com") is None


def test_a_click_id_tells_the_source_when_nothing_else_does() -> None:
    found = came(None, "gclid=Cj0abc")
    assert (found.source, found.click_ids) == ("Google", {"gclid": "Cj0abc"})
    assert came("https://duckduckgo.com/", "gclid=Cj0abc").source == "DuckDuckGo"


def test_a_campaign_without_a_source_is_not_direct() -> None:
    assert came(None, "utm_medium=affiliate").source == "(not set)"


@pytest.mark.parametrize(
    ("referrer", "kept"),
    [
        ("https://user:secret@Forum.Example:8443/t/1?token=abc#p2", "https://forum.example:8443/t/1"),
        ("partner.example/x", "https://partner.example/x"),
        ("http://intranet/", "http://intranet/"),
        (f"https://a.example/{'x' * 5000}", f"https://a.example/{'x' * 5000}"[:1024]),
    ],
)
def test_a_referrer_is_kept_without_what_is_private(referrer: str, kept: str) -> None:
    assert external(referrer, HOST) == kept


def test_a_query_is_kept_as_far_as_it_tells_the_source() -> None:
    query = "email=a%40b.example&token=t&utm_source=x&UTM_Medium=cpc&fbclid=F1&page=2&ref=y&utm_id=7"
    assert kept_query(query) == "utm_source=x&utm_medium=cpc&fbclid=F1&ref=y&utm_id=7"


@pytest.mark.parametrize("query", [None, "", "token=abc", "utm_source=", "utm_content=jo%40mail.example", "&&=&%%%"])
def test_a_query_that_tells_nothing_is_not_kept(query: str | None) -> None:
    assert kept_query(query) is None


def test_what_is_kept_says_the_same_as_the_whole() -> None:
    query = "q=1&utm_source=fb-ads&utm_medium=paid%20social&amp;utm_term=a%26b&gclid=x&utm_source=second"
    assert came(None, kept_query(query)) == came(None, query)


def test_what_an_import_states_wins() -> None:
    found = acquisition_of(
        "https://www.bing.com/", "utm_source=x&utm_term=t", HOST, {"utm_source": "fb", "city": "Rome"}
    )
    assert (found.source, found.utm_source, found.utm_term) == ("Facebook", "fb", "t")
    assert acquisition_of("https://www.bing.com/", None, HOST, {"source": "Partner"}).source == "Partner"


def test_text_that_the_database_refuses_is_mended() -> None:
    assert came(None, "utm_source=a%00b&utm_term=%ff").utm_source == "a\ufffdb"


def test_a_long_value_is_cut() -> None:
    assert came(None, "utm_term=" + "x" * 4000).utm_term == "x" * 256


@pytest.mark.parametrize(
    ("referrer", "spam"),
    [
        ("http://1-99seo.com/try", True),
        ("https://www.1-99seo.com", True),
        ("1-99seo.com", True),
        ("https://not1-99seo.com", False),
        ("https://www.google.com/", False),
        ("-", False),
        (None, False),
    ],
)
def test_it_knows_spam(referrer: str | None, spam: bool) -> None:
    assert is_spam(referrer) is spam
