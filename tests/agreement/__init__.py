"""Generated histories of a site, carried out on a real PostgreSQL, and the aggregates they should have left."""
