"""A browser that somebody is logged in with."""

from django.test import Client
from playwright.sync_api import BrowserContext
from pytest_django.live_server_helper import LiveServer

from reports.models import User


def log_in(context: BrowserContext, server: LiveServer) -> None:
    """By a session of the test's own: the log-in page has its test."""
    client = Client()
    client.force_login(User.objects.get(email="alice@example.com"))
    cookie = client.cookies["footfall_session"].value
    context.add_cookies([{"name": "footfall_session", "value": cookie, "url": server.url}])
