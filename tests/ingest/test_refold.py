"""What remains of a session when some of its events are taken away, or turn out to be at another time."""

from ingest import refold
from ingest.models import Site
from ingest.sessions import Placed, SessionRow, derived_id
from ingest.sites import KnownSite
from tests.ingest.examples import batch
from tests.ingest.past import at


def placed(site: Site, *minutes: float) -> list[Placed]:
    known = KnownSite.of(site)
    return [Placed.of(known, event, batch(site, event)) for event in (at(minute) for minute in minutes)]


def derived_from(item: Placed) -> SessionRow:
    return SessionRow(site_id=item.site.id, id=derived_id(item), visitor_id=item.event.visitor_id, is_derived=True)


def test_it_works(site: Site) -> None:
    items = placed(site, 0, 5)
    [made] = refold.again(derived_from(items[0]), items)
    assert (made.id, made.page_views, made.seen_until) == (derived_id(items[0]), 2, items[1].ts)


def test_the_earliest_part_keeps_the_id_where_the_event_it_was_made_of_is_gone(site: Site) -> None:
    gone, *items = placed(site, 0, 5, 60)
    kept, other = refold.again(derived_from(gone), items)
    assert (kept.id, kept.started_at) == (derived_id(gone), items[0].ts)
    assert (other.id, other.started_at) == (derived_id(items[1]), items[1].ts)


def test_a_part_that_begins_with_the_event_the_id_was_made_of_keeps_it(site: Site) -> None:
    """An event that came late, and earlier, is parted from it: both parts must not have the same id."""
    late, first = placed(site, 0, 60)
    kept, other = refold.again(derived_from(first), [late, first])
    assert (kept.id, kept.started_at) == (derived_id(first), first.ts)
    assert (other.id, other.started_at) == (derived_id(late), late.ts)


def test_a_named_session_stays_one_and_keeps_its_name(site: Site) -> None:
    items = placed(site, 0, 60)
    row = SessionRow(site_id=site.pk, id=77, visitor_id=7)
    [made] = refold.again(row, items)
    assert (made.id, made.page_views) == (77, 2)


def test_nothing_makes_nothing(site: Site) -> None:
    assert refold.again(SessionRow(site_id=site.pk, id=77, visitor_id=7), []) == []
