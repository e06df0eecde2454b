"""The page of a running desk (R-M5); how it looks and behaves in a browser is tested in tests/monitor."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.acceptance import TOKEN, Desk

pytestmark = pytest.mark.integration


@pytest.fixture
def browser(desk: Desk) -> Iterator[httpx.Client]:
    """Signed in by the link, as the launcher prints it; keeps its cookie and nothing else."""
    with httpx.Client(base_url=desk.url, trust_env=False, timeout=10) as client:
        answer = client.get("/", params={"token": TOKEN})
        assert answer.status_code == 303 and answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
        yield client


def test_TC_2_R_M5_1_the_page_has_lamp_checks_ib_summary_operations_and_controls(browser: httpx.Client) -> None:
    """TC-2-R-M5-1: everything the operator needs has its place, its files are served, and there is no start button.

    What it looks like once its script has run, and that each control works, is pressed and read in tests/browser.
    """
    page = browser.get("/")
    assert page.status_code == 200
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    assert files and all(browser.get(file).status_code == 200 for file in files)
    scripts = {file for file in files if file.endswith(".js")}
    parts = {
        f"/static/app/assets/{name}"
        for file in scripts
        for name in re.findall(r'"\./([\w.-]+\.js)"', browser.get(file).text)
    }
    code = "".join(browser.get(file).text for file in scripts | parts)
    for place in ("lamp", "reasons", "checks", "gauge", "tiles", "facts", "commands", "positions", "operations"):
        assert place in code, place
    for command in ("stop", "flatten", "suspend", "resume", "retry_ib", "refresh_accounts"):
        assert f"command.{command}" in code, command
    assert "command.start" not in code


def test_TC_2_R_M5_2_the_controls_work_from_the_page_and_from_no_other(desk: Desk, browser: httpx.Client) -> None:
    """TC-2-R-M5-2: with the cookie a button reaches the engine; the same cookie from another site changes nothing."""
    foreign = browser.post("/control/stop", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    pressed = browser.post("/control/suspend", json={}, headers={"Sec-Fetch-Site": "same-origin"})
    assert pressed.status_code == 202
    assert desk.followed(pressed.json()["id"])[0] == "done"
    desk.until(lambda: desk.engine.status()["daemon_state"] == "running_suspended", "suspension", 10)
    asked = desk.database.value("SELECT requested_by FROM daemon_control WHERE id = %s", pressed.json()["id"])
    assert asked == "browser@127.0.0.1"
    assert desk.engine.running
