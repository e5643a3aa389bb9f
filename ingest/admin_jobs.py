"""What ran and what was asked for, for staff to read."""

from datetime import datetime

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.timezone import now

from ingest.admin_lists import ReadOnlyAdmin
from ingest.models import JobRun, PersonRequest, Site

NOTHING, NO_BREAK = "–", "\u00a0"
MOST_SHOWN = 120  # characters of an error in the list


class StateFilter(admin.SimpleListFilter):
    """How runs ended, if they did."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in ("failed", "running", "ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        match self.value():
            case "failed":
                return queryset.filter(JobRun.failures())
            case "running":
                return queryset.filter(ended_at=None).exclude(JobRun.failures())
            case "ended":
                return queryset.filter(ended_at__isnull=False, error="")
        return queryset


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("task", "site", "range", "started_at", "took", "progress", "rows", "state", "told")
    list_filter = (StateFilter, "task")
    search_fields = ("task", "=site_id")
    fields = (
        "task", "site", "range", "started_at", "seen_at", "ended_at", "progress", "rows", "detail", "told_whole",
        "alerted_at",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRun]:
        name = Site.objects.filter(pk=OuterRef("site_id")).values("name")[:1]
        return super().get_queryset(request).annotate(site_name=Subquery(name))

    @admin.display(description="site", ordering="site_id")
    def site(self, run: JobRun) -> str:
        """One that was deleted since has a number alone."""
        if run.site_id is None:
            return "all"
        return getattr(run, "site_name", None) or f"number {run.site_id}"

    @admin.display(description="range")
    def range(self, run: JobRun) -> str:
        if run.range_start is None and run.range_end is None:
            return NOTHING
        return f"{_day(run.range_start)} to {_day(run.range_end)}"

    @admin.display(description="took")
    def took(self, run: JobRun) -> str:
        seconds = ((run.ended_at or (now() if run.is_running else run.seen_at)) - run.started_at).total_seconds()
        return f"{seconds:,.1f}{NO_BREAK}s"

    @admin.display(description="done")
    def progress(self, run: JobRun) -> str:
        return f"{run.done:,} of {run.total:,}" if run.total else f"{run.done:,}"

    @admin.display(description="state")
    def state(self, run: JobRun) -> str:
        return "failed" if run.problem else "running" if run.is_running else "ended"

    @admin.display(description="what it says")
    def told(self, run: JobRun) -> str:
        text = run.problem or run.detail
        return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"

    @admin.display(description="error")
    def told_whole(self, run: JobRun) -> str:
        return run.problem or NOTHING


@admin.register(PersonRequest)
class PersonRequestAdmin(ReadOnlyAdmin):
    """That a person's data was handed out or erased, never whose."""

    list_display = ("site", "kind", "asked_by", "asked_at", "done_at", "visitors", "sessions", "events", "others")
    list_filter = ("kind",)
    list_select_related = ("site",)
    search_fields = ("asked_by", "site__name", "=site__key")
    fields = list_display
    readonly_fields = fields


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "…"
