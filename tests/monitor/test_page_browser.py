"""The page in headless Chromium: its controls are pressed and the effect is read back from the database."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from bifrost.config.load import load_config
from bifrost.db import connect
from bifrost_monitor.app import create_app
from bifrost_monitor.settings import monitor_settings
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.monitor import rows
from tests.support.postgres import Database
from tests.support.waiting import free_port, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]
expect.set_options(timeout=30_000)  # a condition is waited for; on a busy machine the browser needs its time
TOKEN = "a-token-of-the-browser-tests"
# Without these Chromium asks its maker's hosts for updates as soon as it starts.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Served:
    """A monitor on a real port that can be stopped and started again on the same one."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.port = free_port()
        self.env = {"BIFROST_TOKEN": TOKEN, "BIFROST_HOME": str(home), "MONITOR_PORT": str(self.port)}
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        settings = monitor_settings(load_config(env=self.env), self.env)
        app = create_app(settings, lambda: connect(self.database.params("monitor"), service="monitor"))
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started, 10, what="the monitor's port")

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[Served]:
    rows.write_running_desk(database)
    rows.write_account(database)
    monitor = Served(database, tmp_path)
    monitor.start()
    yield monitor
    monitor.stop()


@contextlib.contextmanager
def opened(browser: Browser, url: str, *, width: int = 1280, height: int = 900) -> Iterator[tuple[Page, list[str]]]:
    """A page and what went wrong on its console."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(url)
    try:
        yield page, problems
    finally:
        context.close()


def newest_command(database: Database) -> tuple[int, str, dict[str, object]] | None:
    found = database.query("SELECT id, command, args FROM daemon_control ORDER BY id DESC LIMIT 1")
    return found[0] if found else None


def test_the_lamp_and_the_numbers_follow_the_database(browser: Browser, served: Served) -> None:
    """TC-3-R-M6-3 (page): positions with prices, P&L and moneyness; the lamp changes by itself."""
    with opened(browser, served.url + f"?token={TOKEN}") as (page, problems):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        assert TOKEN not in page.url
        expect(page.locator("#accounts tbody tr")).to_have_count(3)
        expect(page.get_by_role("row", name="NVDA 17 Apr 26 140 C")).to_contain_text("ITM")
        expect(page.get_by_role("row", name="NVDA 17 Apr 26 140 C")).to_contain_text("+450")
        rows.write_operation(served.database, "2026-03-20T15:04:05+00:00", "fill", side="BUY", quantity=33)
        expect(page.locator("#operations tr")).to_have_count(1)
        rows.write_status(served.database, self_check="degraded", block_reasons=["outside_session"])
        expect(page.locator("#verdict")).to_have_text("Held back")
        expect(page.locator("#one-line")).to_have_text("Outside the trading session.")
        assert problems == []


def test_controls_reach_the_database_and_show_what_came_of_them(browser: Browser, served: Served) -> None:
    """Flatten asks first and is followed to its end; Back sends nothing; suspend takes effect."""
    with opened(browser, served.url + f"?token={TOKEN}") as (page, problems):
        page.get_by_role("button", name="Stop engine").click()
        page.get_by_role("button", name="Back").click()
        assert newest_command(served.database) is None
        page.get_by_role("button", name="Flatten").click()
        page.get_by_label("to what the option delta wants").check()
        page.locator("#ask-yes").click()
        expect(page.locator(".command.state-pending")).to_be_visible()
        command = newest_command(served.database)
        assert command is not None and command[1:] == ("flatten", {"target": "delta", "force": False})
        rows.finish_command(served.database, command[0], "refused", {"reason": "outside the session"})
        expect(page.locator(".command.state-refused")).to_contain_text("Outside the session")
        page.get_by_role("button", name="Suspend hedging").click()
        expect(page.locator("#suspended")).to_have_text("suspended")
        assert served.database.value("SELECT suspended FROM daemon_run_status") is True
        assert problems == []


def test_the_address_form_is_not_overwritten_while_typing(browser: Browser, served: Served) -> None:
    """Several polls pass under the operator's hands; a live port asks for confirmation before it is saved."""
    with opened(browser, served.url + f"?token={TOKEN}") as (page, _):
        host = page.locator("#ib-host")
        expect(host).to_have_value("127.0.0.1")
        expect(host).to_be_enabled()
        host.fill("192.168.1.")
        for _poll in range(2):
            with page.expect_response("**/status"):
                pass
        expect(host).to_have_value("192.168.1.")
        host.fill("192.168.1.20")
        page.locator("#ib-port").select_option("tws_live")
        page.locator("#ib-save").click()
        expect(page.locator("#ib-note")).to_contain_text("confirm=true")
        page.locator("#ib-confirm").check()
        page.locator("#ib-save").click()
        expect(page.locator("#ib-note")).to_contain_text("Saved")
        saved = served.database.query("SELECT ib_host, ib_port_type FROM settings")
        assert saved == [("192.168.1.20", "tws_live")]


def test_without_the_token_controls_are_locked_until_it_is_given(browser: Browser, served: Served) -> None:
    with opened(browser, served.url) as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        expect(page.get_by_role("button", name="Stop engine")).to_be_disabled()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Unlock").click()
        expect(page.get_by_role("button", name="Stop engine")).to_be_enabled()


def test_a_monitor_that_went_away_is_noticed_and_found_again(browser: Browser, served: Served) -> None:
    with opened(browser, served.url + f"?token={TOKEN}") as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        served.stop()
        expect(page.locator("#banner")).to_contain_text("does not answer", timeout=15_000)
        served.start()
        expect(page.locator("#banner")).to_be_hidden(timeout=15_000)
        expect(page.get_by_role("button", name="Stop engine")).to_be_enabled()


@pytest.mark.parametrize("width", [360, 390, 800, 1100])
def test_nothing_is_wider_than_the_screen(browser: Browser, served: Served, width: int) -> None:
    with opened(browser, served.url + f"?token={TOKEN}", width=width, height=800) as (page, problems):
        expect(page.locator("#accounts tbody tr")).to_have_count(3)
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        assert problems == []
