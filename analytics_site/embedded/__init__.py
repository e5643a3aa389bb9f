"""PostgreSQL and Redis of an installation that was given none: from their wheels, in its data folder.

Importable before Django is configured: the settings read the addresses here.
"""

from analytics_site.embedded.errors import EmbeddedError
from analytics_site.embedded.state import State, data_dir, database_url, not_running, redis_url

__all__ = ["EmbeddedError", "State", "data_dir", "database_url", "not_running", "redis_url"]
