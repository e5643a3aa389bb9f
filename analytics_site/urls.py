"""All addresses. Ingestion first: it is what must answer whatever else is wrong."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from analytics_site import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("ingest.urls")),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}icons/mark.svg", permanent=True)),
    path("admin/", admin.site.urls),
    path("", include("reports.urls")),
]

handler400 = "analytics_site.errors.bad_request"
handler404 = "analytics_site.errors.not_found"
handler500 = "analytics_site.errors.server_error"
