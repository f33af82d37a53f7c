"""A real browser without a window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def found() -> str | None:
    """The browser that the machine has."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def page(width: int = 1600, height: int = 1000) -> Iterator[Any]:
    """A Playwright page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()
