"""A headless Chromium for the tests: how it is started, pages with what went wrong on them, axe."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from bifrost import paths
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Without these Chromium asks its maker's hosts for updates as soon as it starts.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = paths.repository_root() / "services" / "monitor" / "web" / "node_modules" / "axe-core" / "axe.min.js"
expect.set_options(timeout=30_000)  # a condition is waited for; on a busy machine the browser needs its time


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """One browser for as long as the block lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1440,
    height: int = 900,
    theme: str = "dark",
    language: str = "en",
) -> Iterator[tuple[Page, list[str]]]:
    """A page in a fresh browser profile, and what went wrong on its console."""
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    context.add_init_script(
        f"localStorage.setItem('bifrost.theme', '{theme}'); localStorage.setItem('bifrost.language', '{language}')"
    )
    page = context.new_page()
    problems: list[str] = []

    def heard(kind: str, text: str) -> None:
        # Containers that come and go beside the browser change the machine's networks; the page asks again by itself.
        if kind in ("error", "warning") and "ERR_NETWORK_CHANGED" not in text:
            problems.append(text)

    page.on("console", lambda message: heard(message.type, message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(url)
    try:
        yield page, problems
    finally:
        context.close()


def serious_findings(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now, of serious and critical impact, each with where."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{finding['id']}: {finding['help']} at {[node['target'] for node in finding['nodes'][:3]]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
    ]
