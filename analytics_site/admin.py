"""The admin as staff see it: the models of both apps, and the read-only pages beside them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path, reverse

from ingest.admin_views import PAGES
from reports.admin_login import StaffLoginForm


class StaffSite(admin.AdminSite):
    site_header = site_title = "Footfall"
    index_title = "For staff"
    login_form = StaffLoginForm

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Before Django's own, whose last pattern takes every address.
        pages = [path(f"stored/{page.name}/", self.admin_view(page.view), name=page.name) for page in PAGES]
        return [*pages, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Django's list, and the read-only pages as if they were models, so that index and sidebar show them."""
        found: list[dict[str, Any]] = super().get_app_list(request, app_label)
        pages = [
            {
                "name": page.title,
                "object_name": page.name,
                "admin_url": reverse(f"admin:{page.name}"),
                "view_only": True,
            }
            for page in PAGES
            if request.user.has_perm(page.permission)
        ]
        if app_label is None and pages:
            found.append(
                {"name": "What is stored", "app_label": "stored", "app_url": pages[0]["admin_url"], "models": pages}
            )
        return found
