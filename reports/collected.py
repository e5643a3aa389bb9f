"""What a site's sessions carry at all, so that a panel which could only be empty is left out."""

from ingest.models import Session

NEWEST = 500  # read along the index by last activity: cheap at any size


def places(site_id: int) -> set[str]:
    """Which of region and city the newest sessions know."""
    newest = Session.objects.filter(site_id=site_id).order_by("-last_activity")
    rows = list(newest.values_list("region", "city")[:NEWEST])
    known = {"region": any(region for region, _ in rows), "city": any(city for _, city in rows)}
    return {name for name, is_known in known.items() if is_known}
