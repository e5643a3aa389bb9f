"""Filters: an operator is one row, its SQL and its words side by side."""

from typing import LiteralString, NamedTuple

from psycopg import sql

from reports.queries.dimensions import dimension
from reports.queries.query import Filter, Operator, QueryRefused


class Values(dict[str, object]):
    """Parameters of a statement, by name. No value ever becomes part of its text."""

    def put(self, value: object) -> sql.Placeholder:
        name = f"v{len(self)}"
        self[name] = value
        return sql.Placeholder(name)


class Form(NamedTuple):
    words: str  # between the dimension and its values: Country *is* Germany or Austria
    matches: LiteralString  # {x} is the dimension, {values} text[]
    is_negative: bool
    is_pattern: bool  # values are parts of text


OPERATORS: dict[Operator, Form] = {
    "is": Form("is", "{x} = ANY({values}::text[])", False, False),
    "is_not": Form("is not", "{x} = ANY({values}::text[])", True, False),
    "contains": Form("contains", "{x} ILIKE ANY({values}::text[])", False, True),
    "contains_not": Form("does not contain", "{x} ILIKE ANY({values}::text[])", True, True),
}
MOST_FILTERS, MOST_VALUES, LONGEST = 20, 100, 2_000


def check(told: Filter) -> None:
    """Raises QueryRefused for an unknown dimension or operator, or values that make no sense."""
    name = dimension(told.dimension, "filters").name
    if told.operator not in OPERATORS:
        raise QueryRefused(
            f"filters={told.operator}: is not an operator. Take {', '.join(OPERATORS)}.", "filters", list(OPERATORS)
        )
    if not 0 < len(told.values) <= MOST_VALUES:
        raise QueryRefused(f"filters={name}: has {len(told.values)} values, must be 1 to {MOST_VALUES}.", "filters")
    for value in told.values:
        if value is not None and (len(value) > LONGEST or "\0" in value):
            raise QueryRefused(
                f"filters={name}: a value has {len(value):,} characters or a NUL, must be at most {LONGEST:,} "
                "without it. Use contains with a part of it.",
                "filters",
            )


def condition(told: Filter, table: str, values: Values) -> sql.Composed:
    """True or false, never NULL, so that a negative is the exact opposite."""
    form = OPERATORS[told.operator]
    x = sql.SQL(dimension(told.dimension).sql).format(t=sql.Identifier(table))
    known = [value for value in told.values if value is not None]
    either = []
    if known:
        wanted = [_part(value) for value in known] if form.is_pattern else known
        either.append(sql.SQL(form.matches).format(x=sql.SQL("({})").format(x), values=values.put(wanted)))
    if len(known) < len(told.values):
        either.append(sql.SQL("({}) IS NULL").format(x))
    holds = sql.SQL("coalesce({}, false)").format(sql.SQL(" OR ").join(either))
    return sql.SQL("NOT {}").format(holds) if form.is_negative else holds


def _part(value: str) -> str:
    """A pattern that finds VALUE anywhere, its own %, _ and \\ taken as themselves."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
