"""A real browser for pages, where one is installed, and the errors that it reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


@contextmanager
def launched() -> Iterator[Any]:
    """Headless Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


class Opened:
    """A page opened from disk. ``complaints`` are errors, warnings, dialogs, and requests for anything else."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, height: int = 800, **options: Any) -> None:
        self.complaints: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self._requested(request.url, path))
        page.goto(path.as_uri())

    def _requested(self, url: str, path: Path) -> None:
        if url != path.as_uri():
            self.complaints.append(f"requested {url}")

    def __enter__(self) -> Opened:
        assert self.page.locator("html[data-ready]").count(), self.complaints  # set by the script's last line
        return self

    def __exit__(self, *raised: object) -> None:
        self.context.close()

    def search(self, name: str) -> None:
        self.page.fill("#search", name)
        self.page.press("#search", "Enter")

    def number(self, selector: str) -> float:
        return float(self.page.inner_text(selector))

    def numbers(self, selector: str) -> list[float]:
        return [float(text) for text in self.page.locator(selector).all_inner_texts()]
