"""Metrics, dimensions and operators: complete rows, and a manual that knows them all."""

from pathlib import Path

import pytest

from ingest.models import Event, Session
from reports.queries import buckets, parse, periods
from reports.queries.dimensions import DIMENSIONS, dimension
from reports.queries.filters import OPERATORS
from reports.queries.metrics import ATOMS, METRICS, Metric, metric
from reports.queries.query import QueryRefused

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "metrics.md").read_text()


def test_it_works() -> None:
    assert metric("visitors").label == "Visitors"
    assert dimension("page").plural == "Pages"


@pytest.mark.parametrize("row", METRICS.values(), ids=METRICS)
def test_a_metric_is_complete(row: Metric) -> None:
    assert set(row.atoms) <= set(ATOMS)
    assert row.help.endswith(".")
    assert (row.empty is None) == (row.format != "count")


@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_dimension_reads_a_column_of_its_table(name: str) -> None:
    row = dimension(name)
    columns = {field.name for field in (Event if row.of == "event" else Session)._meta.fields}
    assert any(f"{{t}}.{column}" in row.sql for column in columns)


@pytest.mark.parametrize(
    "name",
    [
        *METRICS,
        *DIMENSIONS,
        *OPERATORS,
        *buckets.LABELS,
        *parse.COMPARISONS,
        *(preset.name for preset in periods.PRESETS),
    ],
)
def test_the_manual_has_every_name(name: str) -> None:
    assert f"| `{name}` |" in MANUAL


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(QueryRefused, match="order=visits: is not a metric") as refused:
        metric("visits", "order")
    assert (refused.value.field, refused.value.allowed) == ("order", list(METRICS))
