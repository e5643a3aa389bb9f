from django.urls import path

from ingest.views import EventsView

urlpatterns = [
    path("api/v1/events", EventsView.as_view(), name="events"),
]
