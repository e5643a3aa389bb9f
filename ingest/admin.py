"""Sites, keys and what was set aside, for staff. The big tables are in `ingest.admin_views`."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from ingest import (
    admin_jobs,  # noqa: F401  registers its lists
    sites,
    tasks,
)
from ingest.admin_lists import KeptAdmin, UncountedAdmin
from ingest.models import ApiKey, Quarantine, Shield, Site
from ingest.replay import Outcome, replay, told


@admin.register(Site)
class SiteAdmin(KeptAdmin):
    """A site is switched off, not deleted: its events would stay behind without it."""

    list_display = ("name", "key", "domain", "timezone", "identity", "is_active", "is_paused")
    list_filter = ("is_active", "is_paused", "identity")
    search_fields = ("name", "domain", "key")
    readonly_fields = ("key", "created_at", "stored")
    fields = (
        "name", "key", "domain", "timezone", "identity", "is_active", "is_paused", "allowed_hosts",
        "honours_dnt", "kept_parameters", "session_minutes", "events_days", "sessions_days", "aggregates_days",
        "property_dimensions", "created_at", "stored",
    )  # fmt: skip
    actions = ("rebuild", "verify", "clean_up", "foresee_cleanup")

    @admin.display(description="What is stored")
    def stored(self, site: Site) -> SafeString | str:
        if site.pk is None:
            return "–"
        pages = ((f"{reverse(f'admin:{name}')}?site={site.key}", name) for name in ("events", "sessions", "visitors"))
        counts = format_html('<a href="{}?site={}">counts</a>', reverse("admin:counts"), site.key)
        return format_html("{} · {}", format_html_join(" · ", '<a href="{}">{}</a>', pages), counts)

    def save_model(self, request: HttpRequest, obj: Site, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(sites.forget)  # other processes notice within half a minute

    @admin.action(description="Rebuild the figures of the selected sites", permissions=["change"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._hand_over(request, lambda: [tasks.backfill_site.delay(site.pk) for site in queryset])

    @admin.action(description="Check the figures of the selected sites", permissions=["change"])
    def verify(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._hand_over(request, lambda: [tasks.verify_site.delay(site.pk) for site in queryset])

    @admin.action(description="Clean up now: delete what the selected sites keep no longer", permissions=["change"])
    def clean_up(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._clean_up(request, queryset, dry_run=False)

    @admin.action(description="Clean up, dry run: tell what would be deleted", permissions=["change"])
    def foresee_cleanup(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._clean_up(request, queryset, dry_run=True)

    def _clean_up(self, request: HttpRequest, queryset: QuerySet[Site], *, dry_run: bool) -> None:
        site_ids = sorted(queryset.values_list("pk", flat=True))
        self._hand_over(request, lambda: tasks.cleanup.delay(site_ids, dry_run=dry_run))

    def _hand_over(self, request: HttpRequest, hand: Callable[[], object]) -> None:
        try:
            hand()
        except OperationalError:
            error = "No worker can be reached just now. Nothing was changed; try again in a minute."
            self.message_user(request, error, messages.ERROR)
            return
        runs = reverse("admin:ingest_jobrun_changelist")
        told = format_html('Handed to a worker. Its numbers will be under <a href="{}">job runs</a>.', runs)
        self.message_user(request, told, messages.SUCCESS)


@admin.register(Shield)
class ShieldAdmin(UncountedAdmin):
    """The rules of all sites; their owners have a page of their own for them."""

    list_display = ("site", "kind", "value", "note", "is_active", "applied_events", "created_at")
    list_filter = ("kind", "is_active")
    list_select_related = ("site",)
    search_fields = ("value", "note", "site__name", "=site__key")
    raw_id_fields = ("site",)
    readonly_fields = ("created_at", "applying_at", "applied_at", "applied_events")
    fields = ("site", "kind", "value", "note", "is_active", *readonly_fields)

    def save_model(self, request: HttpRequest, obj: Shield, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(sites.forget)

    def delete_model(self, request: HttpRequest, obj: Shield) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(sites.forget)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Shield]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(sites.forget)


@admin.register(ApiKey)
class ApiKeyAdmin(KeptAdmin):
    """Made once, shown once, then only revoked."""

    list_display = ("name", "site", "scope", "prefix", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("scope",)
    list_select_related = ("site",)
    search_fields = ("name", "prefix", "site__name", "site__key")
    raw_id_fields = ("site",)
    fields = ("site", "name", "scope", "expires_at")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_revoke_permission(request)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Nothing but "Save": the next page is the only one that ever shows the value."""
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ModelForm, change: bool) -> None:
        kept, request.issued_key = ApiKey.issue(obj.site, obj.name, obj.scope)  # type: ignore[attr-defined]
        kept.expires_at = obj.expires_at
        kept.save(update_fields=["expires_at"])
        obj.__dict__.update(kept.__dict__)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Answers with the value itself: a message after a redirect would travel in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new key",
            "key": obj,
            "value": request.issued_key,  # type: ignore[attr-defined]
        }
        return render(request, "admin/ingest/apikey/issued.html", context)

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = queryset.filter(revoked_at__isnull=True).update(revoked_at=now())
        transaction.on_commit(sites.forget)
        self.message_user(request, f"{revoked} revoked. Servers are refused within half a minute.", messages.SUCCESS)


@admin.register(Quarantine)
class QuarantineAdmin(KeptAdmin):
    """Read-only: an event that the database refused, with its reason. It can be written again."""

    list_display = ("id", "site_id", "sqlstate", "detail", "created_at")
    list_filter = ("sqlstate",)
    search_fields = ("=site_id", "=sqlstate")
    fields = ("site_id", "created_at", "sqlstate", "detail", "readable")
    readonly_fields = fields
    actions = ("write_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantine]:
        return super().get_queryset(request).defer("entry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_write_again_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    @admin.action(description="Write the selected events again", permissions=["write_again"])
    def write_again(self, request: HttpRequest, queryset: QuerySet[Quarantine]) -> None:
        found = Counter(replay(row) for row in queryset.defer(None).order_by("pk"))
        is_done = set(found) <= {Outcome.WRITTEN, Outcome.REPEATED, Outcome.GONE}
        self.message_user(request, told(found), messages.SUCCESS if is_done else messages.WARNING)

    @admin.display(description="Entry")
    def readable(self, row: Quarantine) -> SafeString:
        return format_html("<pre>{}</pre>", readable(bytes(row.entry)))


def readable(entry: bytes) -> str:
    """An entry of the stream as indented JSON, or a sentence when it is none."""
    try:
        return json.dumps(msgspec.msgpack.decode(entry), indent=2, default=str)
    except (msgspec.DecodeError, ValueError) as error:
        return f"{len(entry):,} bytes that cannot be read: {error}."
