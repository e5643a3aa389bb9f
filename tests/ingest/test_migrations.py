"""Migrations run beside senders: none may make them queue up."""

from collections.abc import Sequence

import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

MIGRATIONS = {name: found for (app, name), found in MigrationLoader(None).disk_migrations.items() if app == "ingest"}
CHANGING = (migrations.AddField, migrations.AlterField, migrations.RemoveField)


def changed(operations: Sequence[Operation]) -> set[str]:
    return {operation.model_name_lower for operation in operations if isinstance(operation, CHANGING)}


def made(operations: Sequence[Operation]) -> set[str]:
    return {operation.name_lower for operation in operations if isinstance(operation, migrations.CreateModel)}


@pytest.mark.parametrize("name", sorted(MIGRATIONS))
def test_a_table_in_use_is_changed_soon_or_not_at_all(db: None, name: str) -> None:
    first, *_ = operations = MIGRATIONS[name].operations
    if not changed(operations) - made(operations):
        return
    assert isinstance(first, migrations.RunSQL)
    with connection.cursor() as cursor:
        cursor.execute(str(first.sql))
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
