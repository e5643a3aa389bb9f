"""Events of every kind that changes a figure, as walks of visitors through a site."""

from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from ingest.event import Context, Event
from tests.agreement.places import Place

PROPERTIES = ("plan", "seats")  # that the site has chosen as dimensions
WHAT: tuple[dict[str, Any], ...] = (
    {"name": "pageview", "path": "/"},
    {"name": "pageview", "path": "/pricing", "properties": {"plan": "pro", "seats": 3}},
    {"name": "pageview", "path": "/a", "properties": {"plan": "", "seats": None, "other": "x"}},
    {"name": "pageview", "path": "/é\t\\"},
    {"name": "pageview"},
    {"name": "engagement", "path": "/", "engaged_ms": 6_000, "scroll": 50},
    {"name": "engagement", "path": "/gone", "engaged_ms": 12_000, "scroll": 90},
    {"name": "engagement", "engaged_ms": 0},
    {"name": "identify", "user_id": "anna", "user_properties": {"team": "red"}},
    {"name": "identify", "user_id": "bert"},
    {"name": "purchase", "value": 19.99, "currency": "EUR", "properties": {"plan": "x" * 600, "seats": 2.5}},
    {"name": "purchase", "value": 0.00005, "currency": "USD", "path": "/pricing"},
    {"name": "purchase", "value": 20.0, "properties": {"plan": True}},
    {"name": "refund", "value": -19.99, "currency": "EUR"},
    {"name": "web_vital", "label": "LCP", "value": 1200.5},
    {"name": "web_vital", "label": "CLS", "value": 0.0, "currency": "EUR"},
    {"name": "web_vital", "label": "INP", "value": 5.0, "currency": "EUR", "path": "/a"},
    {"name": "signup", "label": "top"},
    {"name": "signup", "label": ""},
    {"name": "signup", "user_id": "cleo"},
    {"name": "tap", "category": "interaction", "label": "top"},
    {"name": "error"},
    {"name": "404", "path": "/404"},
    {"name": "widget_loaded", "path": "/pricing"},
    {"name": "click_bubble"},
)
BERLIN = Context(country="DE", region="Berlin", city="Berlin", language="de", screen="1920x1080")
NOWHERE = Context(city="Atlantis", browser="Netscape", os="BeOS", os_version="5", device="desktop")
ORIGINS: tuple[dict[str, Any], ...] = (
    {},
    {"hostname": "shop.example.com"},
    {"hostname": "shop.example.com", "referrer": "https://www.google.com/", "context": BERLIN},
    {"hostname": "www.example.com", "query": "utm_source=News&utm_medium=email&utm_campaign=june&gclid=1"},
    {"referrer": "https://spam.example/", "context": NOWHERE},
    {"hostname": "shop.example.com", "query": "ref=fb", "context": Context(country="AT", city="Wien")},
)
# Sessions with and without a name, several at once, and one that two visitors share.
ANYBODY = st.sampled_from([(1, None), (1, None), (2, None), (1, 11), (2, 21), (2, 22), (3, 31), (1, 31)])
MICRO = 1e-6
# Before, at and after an edge; the one of them is nearer than a microsecond.
OFFSETS = (0, 0, -MICRO, -2e-7, MICRO, -1, -600, -1500, 600, 1500, 3000)
GAPS = (0, 0, MICRO, 20, 600, 1200, 1799, 1800, 1801, 4200)


def moments(place: Place, day: int) -> st.SearchStrategy[datetime]:
    """Mostly early in one day, so that what happens there meets, and where a bucket ends that seldom does."""
    first, *early = [hour.start for hour in place.hours_of(day)[:4]]
    edges = [hour.start for hour in place.hours]
    return st.sampled_from([*[first] * 6, *early * 4, *place.changes * 4, *edges[:: len(edges) // 6]])


@st.composite
def walks(draw: st.DrawFn, place: Place, day: int) -> list[Event]:
    """A visitor's events one after the other, in a session named once, or never. Without ids."""
    (visitor, session), steps = draw(ANYBODY), draw(STEPS)
    # Any of the events may be the one at the edge, so that sessions lie across it.
    before = sum(gap for _, _, gap in steps[: draw(st.integers(0, len(steps) - 1))])
    at = draw(moments(place, day)).timestamp() + draw(st.sampled_from(OFFSETS)) - before
    walk = []
    for what, origin, gap in steps:
        walk.append(Event(UUID(int=0), ts=at, visitor_id=visitor, session_id=session, **{**origin, **what}))
        at += gap
    return walk


STEPS = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from(ORIGINS), st.sampled_from(GAPS)), min_size=1, max_size=7
)


@st.composite
def histories(draw: st.DrawFn, place: Place, day: int) -> list[Event]:
    """All events of a site, in no order; ids break ties of time, so they are in another order than the times."""
    found = [event for walk in draw(st.lists(walks(place, day), min_size=1, max_size=6)) for event in walk]
    ids = draw(st.permutations(range(1, len(found) + 1)))
    for event, number in zip(found, ids, strict=True):
        event.id = UUID(int=number << 64)
    return found
