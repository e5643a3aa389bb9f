"""The recount of a day with a page for each order: `test_rebuild` holds the figures."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from ingest.dimensions import OF_SESSION
from ingest.rollups import recount
from ingest.rollups.raw import OF_MOMENT, Coded, Events, Raw, Revenue, Sessions

ORDERS, HOURS = 20_000, 24
PAGES = [f"/orders/{number}" for number in range(ORDERS)]
HOUR_OF = (np.arange(ORDERS) * HOURS // ORDERS).astype(np.int32)
MOST_BYTES = 1_000 * ORDERS


@pytest.fixture
def raw() -> Raw:
    """Each session sees the page of one order."""
    each, nothing, one = np.arange(ORDERS), np.zeros(ORDERS, np.int64), np.zeros(ORDERS, np.int32)
    alike = {kept.name: Coded([""], one) for kept in OF_SESSION}
    sessions = Sessions(each + 1, HOUR_OF.astype(np.int64), nothing, nothing, nothing, nothing, nothing + 1, alike)
    figures = np.array([[name in ("page_views", "events")] * ORDERS for name in OF_MOMENT], np.int32)
    columns = {"name": Coded(["pageview"], one), "label": Coded([""], one), "page": Coded(PAGES, each.astype(np.int32))}
    no_revenue = Revenue(np.empty(0, np.int64), [])
    return Raw(HOURS, sessions, Events(each.astype(np.int32), HOUR_OF, figures, no_revenue, columns))


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_each_page_is_a_row_of_its_hour_alone(raw: Raw) -> None:
    found = dict(recount.breakdowns(raw))["page"]
    rows = [[row.value for row in rows] for rows in found.rows]
    assert [page for hour in rows for page in sorted(hour, key=PAGES.index)] == PAGES
    assert [len(hour) for hour in rows] == np.bincount(HOUR_OF).tolist()


@pytest.mark.usefixtures("_traced")
def test_a_page_takes_room_in_the_hours_that_it_was_seen_in(raw: Raw) -> None:
    for _, found in recount.breakdowns(raw):
        for rows in found.rows:
            assert rows
    assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
