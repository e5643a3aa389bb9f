"""Documents are held against the source: what is read, run or answered is written down, and the other way round."""

import ast
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings

from analytics_site import __version__
from analytics_site.health import CHECKS
from analytics_site.schedule import SCHEDULE
from ingest import fields
from ingest.event import NAMES, DropReason
from ingest.formats import native
from ingest.importers.line import Outcome
from ingest.refusal import REJECTION_SENTENCES
from tests.crash.faults import KINDS

ROOT = Path(__file__).resolve().parent.parent
APPS = ("analytics_site", "ingest", "reports")
DOCUMENTS = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
OF_THE_SYSTEM = {"PATH"}  # read, and none of ours
REQUIREMENTS = {1: 12, 2: 10, 3: 9, 4: 10, 5: 9, 6: 9}  # numbered rows of each chapter
STATES = {"built", "partly", "not yet"}


def text(name: str) -> str:
    return (ROOT / name).read_text()


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in chain.from_iterable(sorted((ROOT / folder).rglob("*.py")) for folder in folders):
        yield path, ast.parse(path.read_text())


def calls(*folders: str) -> Iterator[ast.Call]:
    for _, tree in sources(*folders):
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def constant(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def table_rows(document: str) -> list[list[str]]:
    """The cells of every row of every table, without heads and rules."""
    lines = document.splitlines()
    heads = {place - 1 for place, line in enumerate(lines) if re.match(r"\|[ :-]+\|", line)}
    rows = [line for place, line in enumerate(lines) if line.startswith("|") and place not in heads]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows if not re.match(r"\|[ :-]+\|", row)]


def sections(document: str) -> dict[str, str]:
    """By the heading of the second level."""
    parts = re.split(r"^## +(.+)$", document, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def words_in_code(line: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", line))


# --- Settings ---------------------------------------------------------------------------------------------


class Variable(NamedTuple):
    name: str
    default: object  # a constant of the call, None without one


def variables() -> set[Variable]:
    """Every environment variable that is read under a constant name."""
    return {found for call in calls(*APPS) if (found := _read_by(call))} | set(_read_from_environ())


def _read_by(call: ast.Call) -> Variable | None:
    match call.func:
        case ast.Attribute(value=ast.Name(id="env"), attr="text" | "flag" | "integer" | "words" | "choice"):
            given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "default")]
        case ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"):
            given = call.args[1:2]
        case _:
            return None
    name = constant(call.args[0])
    return Variable(name, constant(given[0]) if given else None) if isinstance(name, str) else None


def _read_from_environ() -> Iterator[Variable]:
    for _, tree in sources(*APPS):
        for node in ast.walk(tree):
            match node:
                case ast.Subscript(
                    value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name)), ctx=ast.Load()
                ):
                    yield Variable(name, None)


def documented_variables() -> dict[str, str]:
    return {next(iter(words_in_code(row[0]))): row[1] for row in table_rows(text("docs/settings.md"))}


def test_it_works() -> None:
    assert Variable("INGEST_LINGER_MS", 100) in variables()
    assert Variable("FOOTFALL_DATA", None) in variables()
    assert len(documented_variables()) > 15


def test_every_variable_is_in_the_table_of_settings_and_no_other() -> None:
    of_tests = {"TEST_DATABASE_URL", "TEST_REDIS_URL"}
    assert set(documented_variables()) == {variable.name for variable in variables()} - OF_THE_SYSTEM | of_tests


def test_the_table_of_settings_tells_the_defaults() -> None:
    told = documented_variables()
    shown = {name: str(default).lower() for name, default in variables() if default not in (None, "")}
    assert {name: told[name] for name, default in shown.items() if default not in told[name].lower()} == {}


def test_settings_are_in_alphabetical_order_within_each_table() -> None:
    for title, section in sections(text("docs/settings.md")).items():
        names = [row[0] for row in table_rows(section)]
        assert names == sorted(names), title


# --- Commands ---------------------------------------------------------------------------------------------


def commands() -> dict[str, ast.Module]:
    folders = [f"{app}/management/commands" for app in APPS]
    return {path.stem: tree for path, tree in sources(*folders) if not path.stem.startswith("_")}


def arguments(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            yield from (str(constant(argument)) for argument in node.args)


def test_every_command_has_its_section_and_no_other() -> None:
    assert set(sections(text("docs/commands.md"))) == set(commands())


@pytest.mark.parametrize("name", commands())
def test_every_option_of_a_command_is_told(name: str) -> None:
    section = sections(text("docs/commands.md"))[name]
    assert [option for option in arguments(commands()[name]) if option not in section] == []


# --- The contract of the ingestion API --------------------------------------------------------------------


def reasons() -> set[str]:
    """The words of refusals of a request, of rejections of an event and of drops."""
    found = {str(reason) for reason in DropReason}
    for call in calls("ingest", "analytics_site"):
        match call:
            case ast.Call(func=ast.Name(id="Refused"), args=[_, ast.Constant(value=str(reason)), *_]):
                found.add(reason)
            case ast.Call(func=ast.Name(id="Rejected"), args=[ast.Constant(value=str(reason)), *_]):
                found.add(reason)
    return found


def documented(heading: str) -> set[str]:
    """The words in code of the first column of the tables under one heading."""
    rows = table_rows(sections(text("docs/api.md"))[heading])
    return set(chain.from_iterable(words_in_code(row[0]) for row in rows))


def test_every_reason_is_in_the_contract_and_no_other() -> None:
    assert {"unknown_site", "bad_timestamp", "bot"} <= reasons()
    assert documented("Reasons") == reasons()


def test_every_rejection_has_its_sentence_and_the_contract_says_the_same() -> None:
    raised = {
        constant(call.args[0])
        for call in calls("ingest")
        if isinstance(call.func, ast.Name) and call.func.id == "Rejected"
    }
    assert set(REJECTION_SENTENCES) == raised
    told = {row[0].strip("`"): row[1] for row in table_rows(sections(text("docs/api.md"))["Reasons"])}
    assert {reason: told[reason] for reason in REJECTION_SENTENCES} == REJECTION_SENTENCES


def test_every_name_with_a_meaning_is_in_the_contract_and_no_other() -> None:
    assert documented("Names with a meaning") == set(NAMES)


def test_the_contract_tells_the_limits() -> None:
    limits = {
        fields.NAME_MAX, fields.ID_MAX, fields.URL_MAX, fields.TEXT_MAX, fields.SHORT_MAX, fields.PROPERTIES_MAX,
        fields.KEY_MAX, fields.VALUE_MAX, fields.DEPTH_MAX, settings.INGEST_MAX_EVENTS,
    }  # fmt: skip
    told = sections(text("docs/api.md"))["Limits"]
    assert [limit for limit in limits if not re.search(rf"\b{limit:,}\b", told)] == []
    assert f"{settings.INGEST_MAX_BODY >> 20} MiB" in told
    assert f"{settings.INGEST_MAX_UNPACKED >> 20} MiB" in told
    assert f"{fields.BYTES_MAX >> 10} KiB" in told


def test_every_field_that_is_read_is_in_the_contract() -> None:
    read = {
        str(constant(call.args[1]))
        for call in calls("ingest/formats")
        if isinstance(call.func, ast.Attribute) and len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    }
    read |= {field for field, *_ in (*native.OPTIONAL, *native.OF_SENDER)} | set(native.CONTEXT)
    assert {"engaged_ms", "label", "visitor_id", "screen"} <= read
    assert {field for field in read if field.isidentifier()} <= documented("Fields of an event") | {"sent_at"}


@pytest.mark.parametrize("document", ["README.md", "docs/api.md", "docs/quickstart.md"])
def test_examples_of_requests_are_taken_whole(document: str) -> None:
    bodies = re.findall(r"-d '(\{.+?\})'", text(document), re.DOTALL)
    assert bodies
    for body in bodies:
        envelope = native.parse(json.loads(body), received_at=1_795_000_000)
        assert envelope.events
        assert envelope.rejected == []


def test_every_outcome_of_an_import_is_told_and_no_other() -> None:
    told = table_rows(text("docs/import.md"))
    assert set(chain.from_iterable(words_in_code(row[0]) for row in told)) == {str(outcome) for outcome in Outcome}


# --- What is there and what is not ------------------------------------------------------------------------


def features() -> dict[str, list[str]]:
    return {row[0]: row for row in table_rows(text("docs/features.md"))}


def test_every_requirement_has_its_row_in_order() -> None:
    numbers = [f"{chapter}.{row}" for chapter, rows in REQUIREMENTS.items() for row in range(1, rows + 1)]
    assert list(features()) == numbers


@pytest.mark.parametrize(("number", "row"), features().items())
def test_a_feature_says_how_far_it_is_and_what_is_built_is_tested(number: str, row: list[str]) -> None:
    _, _, state, where, tested = row
    assert state in STATES
    assert ("test" in tested) == (state != "not yet"), number
    assert bool(words_in_code(where)) == (state != "not yet"), number


def test_the_newest_version_of_the_changelog_is_the_products() -> None:
    versions = re.findall(r"^## +(\d+\.\d+\.\d+)", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


def test_the_checks_and_periodic_tasks_are_described_for_operators() -> None:
    operations = text("docs/operations.md")
    wanted = {*CHECKS, *(periodic.name for periodic in SCHEDULE)}
    assert [name for name in wanted if name not in operations] == []


def test_every_fault_that_is_tried_is_told() -> None:
    told = text("docs/faults.md")
    assert [kind for kind in KINDS if kind not in told] == []


# --- Links and paths --------------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|mailto:)([^)#]*)(?:#([^)]*))?\)", document.read_text())
    for path, anchor in targets:
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_in_code_exist(document: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*\w\.(?:py|md|html|js|sql|css|tsv))`", document.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_documents_that_messages_point_to_exist() -> None:
    pointers = {
        found for path, _ in sources(*APPS) for found in re.findall(r"(docs/\w+\.md)(?:#([\w-]+))?", path.read_text())
    }
    assert ("docs/settings.md", "") in pointers
    missing = [(path, anchor) for path, anchor in pointers if anchor and anchor not in anchors(ROOT / path)]
    assert missing == []
    assert [path for path, _ in pointers if not (ROOT / path).exists()] == []


def test_every_document_is_reached_from_the_readme() -> None:
    readme = text("README.md")
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name}" not in readme] == []
