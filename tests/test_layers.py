"""Imports run one way: analytics_site -> reports -> ingest, and inside an app edges -> verbs -> facts."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("analytics_site", "reports", "ingest")
MAY_NOT_IMPORT = {"ingest": {"reports", "analytics_site"}, "reports": {"analytics_site"}, "analytics_site": set()}

# Edges turn requests, commands and ticks into calls; facts know what things are and do nothing.
EDGES = {"views", "urls", "admin", "admin_views", "admin_jobs", "admin_lists", "tasks", "management", "api", "forms"}
FACTS = {"models", "event", "refusal", "rules", "hashing", "fields", "webaddress"}


def modules(app: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / app).rglob("*.py")):
        if "migrations" not in path.parts:
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    """Every imported name, in full: `from ingest import queue` gives ingest.queue."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int:
    """0 for facts, 1 for verbs, 2 for edges: by the first part behind the app."""
    part = [*module.split("."), ""][1]
    return 2 if part in EDGES else 0 if part in FACTS else 1


@pytest.mark.parametrize("app", APPS)
def test_an_app_imports_only_what_lies_below_it(app: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules(app)
        for name in imports(tree)
        if name.split(".")[0] in MAY_NOT_IMPORT[app]
    ]
    assert wrong == []


@pytest.mark.parametrize("app", ["ingest", "reports"])
def test_inside_an_app_imports_run_from_edges_to_facts(app: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules(app)
        for name in imports(tree)
        if name.startswith(f"{app}.") and layer(name) > layer(module)
    ]
    assert wrong == []


def test_the_walk_sees_imports() -> None:
    """A walk that found nothing would make the tests above pass for nothing."""
    assert "ingest.queue" in {name for _, tree in modules("ingest") for name in imports(tree)}
    assert layer("ingest.views") > layer("ingest.writer") > layer("ingest.event")
