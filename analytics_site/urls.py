"""All addresses. Ingestion first: it is what must answer whatever else is wrong."""

from django.contrib import admin
from django.urls import include, path

from analytics_site import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("ingest.urls")),
    path("admin/", admin.site.urls),
    path("", include("reports.urls")),
]
