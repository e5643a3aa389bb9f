"""The channel of a session: the first rule that fits, from paid to free, from known to unknown.

The order and the words are those that Google Analytics and Plausible share (support.google.com/analytics/answer/
9756891), with a channel of their own for AI assistants.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from ingest.enrich import known_sources
from ingest.enrich.source import DIRECT, NOT_SET, Acquisition

PAID = re.compile(r".*cp.*|ppc|retargeting|paid.*")
SHOP = re.compile(r".*(([^a-df-z]|^)shop|shopping).*")
MAIL = re.compile(r"e[-_ ]?mail|newsletter")
DISPLAY = {"display", "banner", "expandable", "interstitial", "cpm"}
SOCIAL = {"social", "social-network", "social-media", "sm", "social network", "social media"}
PAID_CLICKS = {"gclid": "Google", "gbraid": "Google", "wbraid": "Google", "msclkid": "Bing", "yclid": "Yandex"}


class Facts(NamedTuple):
    """An acquisition as the rules see it; texts in small letters, "" where nothing was said."""

    source: str
    kind: str
    medium: str
    campaign: str
    is_paid: bool  # the medium says so
    is_bought: bool  # the medium or the source's own word does
    is_clicked: bool  # the click of an advertisement on this very source, and no medium

    @property
    def is_shop(self) -> bool:
        return self.kind == "shopping" or bool(SHOP.fullmatch(self.campaign))

    @property
    def is_push(self) -> bool:
        return self.medium.endswith("push") or "mobile" in self.medium or "notification" in self.medium


Rule = tuple[str, Callable[[Facts], bool]]
RULES: tuple[Rule, ...] = (
    ("Cross-network", lambda at: "cross-network" in at.campaign),
    ("Paid Shopping", lambda at: at.is_shop and at.is_paid),
    ("Paid Search", lambda at: (at.kind == "search" and at.is_bought) or at.is_clicked),
    ("Paid Social", lambda at: at.kind == "social" and at.is_bought),
    ("Paid Video", lambda at: at.kind == "video" and at.is_bought),
    ("Display", lambda at: at.medium in DISPLAY),  # after the paid ones, whose pattern takes cpm too
    ("Paid Other", lambda at: at.is_paid),
    ("Organic Shopping", lambda at: at.is_shop),
    ("Organic Social", lambda at: at.kind == "social" or at.medium in SOCIAL),
    ("Organic Video", lambda at: at.kind == "video" or "video" in at.medium),
    ("AI Assistants", lambda at: at.kind == "ai"),
    ("Organic Search", lambda at: at.kind == "search" or at.medium == "organic"),
    ("Email", lambda at: at.kind == "email" or bool(MAIL.search(at.source) or MAIL.search(at.medium))),
    ("Affiliates", lambda at: at.medium == "affiliate"),
    ("Audio", lambda at: at.medium == "audio"),
    ("SMS", lambda at: "sms" in (at.kind, at.source, at.medium)),
    ("Mobile Push Notifications", lambda at: at.is_push or at.source == "firebase"),
    ("Referral", lambda at: bool(at.source) or at.medium in ("referral", "app", "link")),
    ("Unassigned", lambda at: bool(at.medium or at.campaign)),
    (DIRECT, lambda at: True),
)


def channel_of(acquisition: Acquisition) -> str:
    at = _facts(acquisition)
    return next(name for name, fits in RULES if fits(at))


def _facts(of: Acquisition) -> Facts:
    source = "" if of.source in (DIRECT, NOT_SET) else of.source
    known = known_sources.of_word(source)
    medium = (of.utm_medium or "").lower()
    is_paid = bool(PAID.fullmatch(medium))
    return Facts(
        source=source.lower(),
        kind=known.kind if known else "",
        medium=medium,
        campaign=(of.utm_campaign or "").lower(),
        is_paid=is_paid,
        is_bought=is_paid or known_sources.of_ads(of.utm_source or "") is not None,
        is_clicked=not medium and any(PAID_CLICKS.get(name) == source for name in of.click_ids or ()),
    )
