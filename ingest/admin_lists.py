"""What every list of ours in the admin has in common: nothing is counted or joined that was not asked for."""

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_COUNTED = 1_000


class BoundedPaginator(Paginator):
    """Counts no further than MOST_COUNTED rows: the first page of a long list costs what that of a short one does.

    What lies beyond is found by searching.
    """

    @cached_property
    def count(self) -> int:
        return int(self.object_list[:MOST_COUNTED].count())  # type: ignore[attr-defined]


class UncountedAdmin(admin.ModelAdmin):
    """For every list of ours: no count of the whole table, and no join that was not asked for."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count for each choice of each filter
    list_per_page = 50


class KeptAdmin(UncountedAdmin):
    """Rows that staff never delete here."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(KeptAdmin):
    """Rows that are written by the product alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
