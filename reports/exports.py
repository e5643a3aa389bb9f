"""Tables as CSV downloads."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

# A cell that begins so is run as a formula by spreadsheet programs; the full-width forms too.
FORMULA = re.compile(r"^[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


def safe(value: object) -> str:
    """Text that a spreadsheet shows and never runs; numbers stay numbers, None is empty."""
    if value is None:
        return ""
    text = str(value).replace("\x00", "")
    return f"'{text}" if FORMULA.match(text) and not NUMBER.match(text) else text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in head])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def file_name(*parts: str) -> str:
    """example-com-sources-2026-11-01-2026-11-20.csv: letters, digits and dashes only."""
    told = "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)
    return f"{told[:120]}.csv"


def download(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    response = HttpResponse(table(head, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def unavailable(trouble: Exception) -> HttpResponse:
    """In place of a file: a short table that looks complete would be worse."""
    is_slow = isinstance(trouble, TimeoutError)
    text = str(trouble) if is_slow else "The figures could not be loaded. Nothing is lost. Try again."
    return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "30"})
