"""A real, headless Chromium of the system."""

import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.collector import Collector, words

# Playwright keeps an event loop in this thread and Django refuses its ORM beside one. Tests call it between the
# browser's steps, never inside the loop.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root the sandbox cannot start; the rest keeps the browser from asking anything of the network by itself.
FLAGS = [
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path, "No Chromium on the PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own, forgotten after the test."""
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, args=(0.02,), daemon=True).start()
        yield collector
        collector.shutdown()


@pytest.fixture
def page(server: Collector, context: BrowserContext) -> Iterator[Page]:
    """A fresh page of which nothing may be printed and no error may escape."""
    made = context.new_page()
    said: list[str] = []
    made.on("console", lambda message: said.append(words(message)))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    assert [text for text in said if text] == []
