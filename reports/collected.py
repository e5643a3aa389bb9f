"""What a site's sessions carry at all, so that a panel which could only be empty is left out."""

from psycopg import sql

from reports.queries.run import rows

# Along the index by last activity: as cheap for ten million sessions as for ten.
NEWEST = sql.SQL("""
SELECT coalesce(bool_or(region <> ''), false), coalesce(bool_or(city <> ''), false) FROM (
  SELECT region, city FROM ingest_session WHERE site_id = %(site)s ORDER BY last_activity DESC LIMIT 500
) newest
""")


def places(site_id: int) -> set[str]:
    """Which of region and city the newest sessions know. Raises QueryTimeout."""
    [(knows_region, knows_city)] = rows(NEWEST, {"site": site_id})
    return {name for name, is_known in (("region", knows_region), ("city", knows_city)) if is_known}
