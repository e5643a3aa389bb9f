from django.urls import path

from ingest.views import EventsView, tracker

urlpatterns = [
    path("api/v1/events", EventsView.as_view(), name="events"),
    path("analytics.js", tracker, name="tracker"),
]
