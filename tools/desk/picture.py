"""``make picture``: the pictures of the READMEs, taken from the desk that runs now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "img"
WIDTH, HEIGHT = 1440, 1000
#: Down to the policies.
TALL = 1400
#: file, page, theme, language, and what is clicked before.
PICTURES = (
    ("desk.png", "desk", "dark", "en", ""),
    ("desk.zh-CN.png", "desk", "light", "zh", ""),
    ("receipt.png", "activity", "dark", "en", "main tbody tr button.link"),
    ("simulator.png", "simulator", "dark", "en", ""),
    ("backtest.png", "backtest", "dark", "en", ".bt-runs tbody tr a"),
    ("backtest.zh-CN.png", "backtest", "light", "zh", ".bt-runs tbody tr a"),
)
#: What is on the page once that has been clicked.
CLICKED = {"activity": ".receipt .gates", "backtest": ".bt-scatter"}
#: The shipped day takes seconds; on a busy machine, a minute.
RUN_MS = 180_000


def take(browser: Browser, link: str, file: str, name: str, theme: str, language: str, click: str) -> None:
    """One picture, once everything on the page has come."""
    height = TALL if name == "backtest" else HEIGHT
    context = browser.new_context(viewport={"width": WIDTH, "height": height})
    context.add_init_script(
        f"localStorage.setItem('bifrost.theme', '{theme}'); localStorage.setItem('bifrost.language', '{language}')"
    )
    page: Page = context.new_page()
    page.goto(link)
    page.goto(f"{link.split('?', maxsplit=1)[0]}#/{name}")
    expect(page.locator(f"main.page-{name} .panel").first).to_be_visible(timeout=30_000)
    expect(page.locator("main .skeleton")).to_have_count(0, timeout=30_000)
    if name == "backtest" and not page.locator(click).count():
        launch(page)
    if click:
        page.locator(click).first.click()
        expect(page.locator(CLICKED[name]).first).to_be_visible(timeout=30_000)
    page.mouse.move(0, 0)
    page.wait_for_timeout(2_000)  # the chart has drawn itself, the needle stands still
    picture = FOLDER / file
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")
    context.close()


def launch(page: Page) -> None:
    """A run on the data that is there, the shipped day where it is offered."""
    source = page.locator("select[name=source]")
    shipped = source.locator("option[value^=shipped]").first.get_attribute("value")
    source.select_option(shipped)
    page.locator("#bt-form button[type=submit]").click()
    expect(page.locator(".bt-runs tbody tr").first).to_be_visible(timeout=RUN_MS)


def main() -> int:
    """Open the link that `make token` prints and take every picture."""
    said = subprocess.run(["make", "-s", "token"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1] if sys.argv[1:] else None)
        for picture in PICTURES:
            take(browser, said.split()[-1], *picture)
        browser.close()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Error, AssertionError, subprocess.CalledProcessError) as error:
        sys.exit(f"picture: no page to be had, does the desk run? {str(error).splitlines()[0]}")
