"""The page "People's data": what is stored of somebody, the file of it, and what was asked for before."""

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from django.http import FileResponse, HttpResponse, QueryDict
from django.utils.timezone import now

from ingest.models import PersonRequest, Site
from ingest.people import export, find, found
from ingest.people.find import Who
from ingest.people.found import Found, TooLong
from ingest.sites import KnownSite
from reports import formats

SHOWN = 50  # requests
LATE = timedelta(days=1)  # a worker tries twice a minute: it, or the broker with the person's id, is gone
WAYS = {
    "user_id": ("User id", "As your pages give it to identify, letter by letter."),
    "visitor_id": (
        "Visitor id",
        "The id that the browser keeps, or the ID in the admin: all of it, whoever used it.",
    ),
}
DONE = {"erasing": "The erasure was handed to a worker. The list below says when it is done."}


def who_of(site: Site, way: str, told: object) -> Who:
    """WAY is one of WAYS. Raises Unclear."""
    return find.by_user(told) if way == "user_id" else find.by_visitor(KnownSite.of(site), told)


@dataclass(frozen=True)
class Asked:
    """What was typed: by which of WAYS, and the id."""

    way: str = "user_id"
    told: str = field(default="", repr=False)

    @classmethod
    def of(cls, said: QueryDict) -> "Asked":
        way = said.get("way", "")
        return cls(way if way in WAYS else "user_id", said.get("id", "").strip())

    @property
    def label(self) -> str:
        return WAYS[self.way][0]

    def ways(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "label": label, "help": help_, "is_chosen": name == self.way}
            for name, (label, help_) in WAYS.items()
        ]


def stored(site: Site, who: Who) -> dict[str, Any]:
    """What is stored of WHO, ready to print; without figures where counting takes too long. Raises TROUBLE."""
    try:
        told = found.find(KnownSite.of(site), who)
    except TooLong as error:
        return {"is_nothing": False, "facts": [], "text": str(error), "shared": ""}
    return {"is_nothing": told.is_nothing, "facts": _facts(told, site), "text": "", "shared": _shared(told)}


def _facts(told: Found, site: Site) -> list[tuple[str, str]]:
    days = [formats.day(moment.astimezone(site.zone).date()) for moment in (told.first, told.last) if moment]
    counts = [("Visitors", told.visitors), ("Sessions", told.sessions), ("Events", told.events)]
    return [
        *((label, formats.count(number)) for label, number in counts),
        *([("Set aside or sampled", formats.count(told.others))] if told.others else []),
        *zip(("First day", "Last day"), days, strict=False),
    ]


def _shared(told: Found) -> str:
    if not told.shared:
        return ""
    whose = "1 more visitor was" if told.shared == 1 else f"{formats.count(told.shared)} more visitors were"
    return f"{whose} known as somebody else too: of those only what carries this user id is counted here."


def download(site: Site, who: Who, asked_by: str) -> tuple[Found, HttpResponse]:
    """The file, complete before its first byte is sent, and a row that it was handed out. Raises TROUBLE.

    It lies in a file without a name, which is gone when the answer is.
    """
    into = tempfile.TemporaryFile()  # noqa: SIM115  closed with the answer
    try:
        told = export.export(site, who, into)
    except BaseException:
        into.close()
        raise
    export.recorded(site.pk, asked_by, told)
    into.seek(0)
    name = f"person-{now():%Y-%m-%d}.json"
    answer = FileResponse(into, as_attachment=True, filename=name, content_type="application/json")
    return told, cast(HttpResponse, answer)  # to views and decorators it is one, though not in Django's classes


# --- Requests ---------------------------------------------------------------------------------------------


def requests(site: Site) -> list[dict[str, Any]]:
    """The last ones, the newest first."""
    return [_row(one, site) for one in PersonRequest.objects.filter(site=site)[:SHOWN]]


def _row(one: PersonRequest, site: Site) -> dict[str, Any]:
    return {
        "kind": one.get_kind_display(),
        "asked_at": _moment(one.asked_at, site),
        "asked_by": one.asked_by,
        "is_done": one.done_at is not None,
        "is_late": one.done_at is None and one.asked_at < now() - LATE,
        "done_at": _moment(one.done_at, site) if one.done_at else "",
        "counts": _counts(one),
    }


def _moment(moment: datetime, site: Site) -> str:
    local = moment.astimezone(site.zone)
    return f"{formats.day(local.date())}, {formats.clock(local)}"


def _counts(one: PersonRequest) -> str:
    numbers = ((one.visitors, "visitor"), (one.sessions, "session"), (one.events, "event"), (one.others, "other"))
    told = [f"{formats.count(number)} {word}{'' if number == 1 else 's'}" for number, word in numbers if number]
    return ", ".join(told) or ("Nothing was stored" if one.done_at else "Nothing yet")


def state(one: PersonRequest) -> dict[str, Any]:
    """A request as JSON has it."""
    return {
        "request": one.pk,
        "kind": one.kind,
        "state": "done" if one.done_at else "running",
        "asked_at": one.asked_at.isoformat(),
        "done_at": one.done_at.isoformat() if one.done_at else None,
        "visitors": one.visitors,
        "sessions": one.sessions,
        "events": one.events,
        "others": one.others,
    }
