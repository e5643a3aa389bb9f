import pytest

from ingest.enrich.channel import RULES, channel_of
from ingest.enrich.source import Acquisition, acquisition_of

# source, utm_source, utm_medium, utm_campaign, click id; by dots where nothing is said
TABLE = """
Direct                     .                 .            .             .                  .
Unassigned                 (not_set)         .            carrier       .                  .
Cross-network              .                 .            cpc           cross-network-q4   .
Paid Shopping              .                 .            paid          shopping           .
Paid Shopping              shopify.com       .            paid          .                  .
Paid Shopping              walmart           walmart      cpc           .                  .
Paid Shopping              Bing              bing         cpc           spring-shopping    .
Paid Search                DuckDuckGo        .            paid          .                  .
Paid Search                Google            google       cpc           .                  .
Paid Search                Google            Adwords      .             .                  .
Paid Search                Google            google_ads   .             .                  .
Paid Search                Google            google       cpm           .                  .
Paid Search                Google            .            .             .                  gclid
Paid Search                Bing              .            .             .                  msclkid
Organic Search             DuckDuckGo        .            .             .                  gclid
Organic Search             Google            .            .             .                  msclkid
Display                    Google            google       display       .                  gclid
Paid Social                TikTok            tiktok       paid          .                  .
Paid Social                Facebook          fbad         .             .                  .
Paid Social                Reddit            Reddit-ads   .             .                  .
Paid Social                Facebook          facebook     retargeting   .                  .
Paid Video                 YouTube           yt-ads       .             .                  .
Paid Video                 YouTube           .            paid          .                  .
Display                    .                 .            banner        .                  .
Display                    news.example      .            cpm           .                  .
Paid Other                 .                 .            cpc           .                  .
Paid Other                 news.example      .            ppc           .                  .
Organic Shopping           walmart.com       .            .             .                  .
Organic Shopping           .                 .            .             shop               .
Organic Social             Facebook          fb           .             .                  .
Organic Social             Facebook          .            .             .                  fbclid
Organic Social             Hacker_News       .            .             .                  .
Organic Social             news.example      .            social-media  .                  .
Organic Video              Vimeo             .            .             .                  .
Organic Video              .                 .            video         .                  .
AI Assistants              ChatGPT           chatgpt.com  .             .                  .
AI Assistants              Perplexity        .            .             .                  .
Organic Search             Ecosia            .            .             .                  .
Organic Search             news.example      .            organic       .                  .
Email                      Gmail             .            .             .                  .
Email                      email             email        .             .                  .
Email                      Newsletter-UK     Newsletter-UK .            .                  .
Email                      .                 .            e-mail        .                  .
Affiliates                 .                 .            affiliate     .                  .
Audio                      .                 .            audio         .                  .
SMS                        sms               sms          .             .                  .
SMS                        .                 .            SMS           .                  .
Mobile Push Notifications  .                 .            app-push      .                  .
Mobile Push Notifications  firebase          firebase     .             .                  .
Referral                   news.example      .            .             .                  .
Referral                   Wikipedia         .            .             .                  .
Referral                   .                 .            referral      .                  .
"""


def cases() -> list[tuple[str, Acquisition]]:
    found = []
    for line in TABLE.strip().splitlines():
        source, said, medium, campaign, click = [None if word == "." else word for word in line[27:].split()]
        name = (source or "Direct").replace("_", " ")
        clicks = {click: "1"} if click else None
        found.append((line[:27].strip(), Acquisition(name, None, said, medium, campaign, click_ids=clicks)))
    return found


def test_it_works() -> None:
    assert channel_of(acquisition_of("https://www.google.com/", None, "example.com")) == "Organic Search"


@pytest.mark.parametrize(("channel", "acquisition"), cases())
def test_the_first_rule_that_fits_names_the_channel(channel: str, acquisition: Acquisition) -> None:
    assert channel_of(acquisition) == channel


def test_every_rule_is_reached() -> None:
    assert {channel_of(acquisition) for _, acquisition in cases()} == {name for name, _ in RULES}
