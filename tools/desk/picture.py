"""``make picture``: the README's picture of the page, taken from the desk that runs now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "img" / "desk.png"
SIZE = {"width": 1440, "height": 1000}


def main() -> int:
    """Open the link that `make token` prints, wait for a position with its price, and take the picture."""
    said = subprocess.run(["make", "-s", "token"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    link = said.split()[-1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1] if sys.argv[1:] else None)
        page = browser.new_page(viewport=SIZE, device_scale_factor=1)
        page.goto(link)
        page.get_by_text("STK").or_(page.get_by_text("Stock")).first.wait_for(timeout=30_000)
        page.wait_for_timeout(3_000)  # two refreshes: a picture with its numbers filled in
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Error, subprocess.CalledProcessError) as error:
        sys.exit(f"picture: no page to be had, does the desk run? {str(error).splitlines()[0]}")
