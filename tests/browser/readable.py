"""That a page can be read by everybody, at every width and in both themes."""

from typing import Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1440, "light"), (1440, "dark"), (390, "light"))


def check_readable(page: Page) -> None:
    """Axe finds nothing, and nothing scrolls sideways."""
    page.emulate_media(reduced_motion="reduce")
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=theme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    for width in (1440, 1024, 820, 640, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over == 0, width
