from typing import Any, NoReturn

from django.core.management.base import CommandError
from django.db.backends.dummy import base

from analytics_site import embedded


def refuse(*args: Any, **options: Any) -> NoReturn:
    """Raise what `manage.py` prints as one sentence instead of a traceback."""
    raise CommandError(embedded.not_running("PostgreSQL", "DATABASE_URL"))


class DatabaseOperations(base.DatabaseOperations):
    quote_name = refuse


class DatabaseIntrospection(base.DatabaseIntrospection):
    get_table_list = get_table_description = get_relations = get_indexes = refuse


class DatabaseClient(base.DatabaseClient):
    runshell = refuse


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient
    ops_class = DatabaseOperations
    introspection_class = DatabaseIntrospection
    _cursor = ensure_connection = _commit = _rollback = _savepoint = _savepoint_commit = refuse
    _savepoint_rollback = _set_autocommit = cursor = refuse
