"""What the page shows of rows that a test writes: lamp, states, themes, languages, sizes; rarely needed controls."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import TOKEN, Served
from tests.monitor import rows
from tests.support.browser import opened, serious_findings
from tests.support.postgres import Database

pytestmark = [pytest.mark.browser, pytest.mark.integration]
RUNS = ("a1111111-1111-4111-8111-111111111111", "b2222222-2222-4222-8222-222222222222")
PAGES = (
    "desk", "accounts", "activity", "performance", "backtest", f"backtest/run/{RUNS[0]}",
    f"backtest/compare/{RUNS[0]},{RUNS[1]}", "logs", "simulator",
)  # fmt: skip


def newest_command(database: Database) -> tuple[int, str, dict[str, object]] | None:
    found = database.query("SELECT id, command, args FROM daemon_control ORDER BY id DESC LIMIT 1")
    return found[0] if found else None


def command_is(page: Page, state: str) -> None:
    """The newest command on the page has come to ``state``."""
    expect(page.locator("#commands .command").first).to_have_class(f"command state-{state}")


def test_the_lamp_and_the_numbers_follow_the_database(browser: Browser, served: Served) -> None:
    """TC-3-R-M6-3 (page): positions with prices, P&L and moneyness; the lamp changes by itself."""
    with opened(browser, served.link) as (page, problems):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        assert TOKEN not in page.url
        rows.write_operation(served.database, "2026-03-20T15:04:05+00:00", "fill", side="BUY", quantity=33)
        expect(page.get_by_label("Operations table").locator("tbody tr")).to_have_count(1)
        rows.write_status(served.database, self_check="degraded", block_reasons=["outside_session"])
        expect(page.locator("#verdict")).to_have_text("Held back")
        expect(page.locator("#one-line")).to_have_text("Outside the trading session.")
        page.get_by_role("link", name="Accounts").click()
        expect(page.get_by_role("row", name="NVDA 17 Apr 26 140 C")).to_contain_text("ITM")
        expect(page.get_by_role("row", name="NVDA 17 Apr 26 140 C")).to_contain_text("+450")
        assert problems == []


STATES: list[tuple[str, dict[str, Any], str, str]] = [
    ("green", {}, "green", "Ready to hedge"),
    ("safe", {"self_check": "blocked", "block_reasons": ["safe_mode: S2"]}, "red", "Blocked"),
    ("pause", {"self_check": "degraded", "block_reasons": ["spread_too_wide: 0.9 %"]}, "yellow", "Held back"),
    ("stale", {"age_s": 120.0}, "red", "Blocked"),
]


@pytest.mark.parametrize(("columns", "lamp", "verdict"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_each_lamp_in_colour_and_words(
    browser: Browser, served: Served, columns: dict[str, Any], lamp: str, verdict: str
) -> None:
    rows.write_status(served.database, **columns)
    with opened(browser, served.link) as (page, problems):
        expect(page.locator(f"body[data-lamp={lamp}]")).to_be_visible()
        expect(page.locator("#verdict")).to_have_text(verdict)
        assert problems == []


def test_an_engine_that_is_gone_leaves_the_way_to_start_one_and_no_button(browser: Browser, served: Served) -> None:
    rows.write_heartbeat(served.database, age_s=900)
    with opened(browser, served.link) as (page, _):
        expect(page.locator("#verdict")).to_have_text("Not running")
        expect(page.locator("#start-hint")).to_contain_text("make run")
        expect(page.locator("[data-command=stop]")).to_be_disabled()
        expect(page.locator("[data-command=start]")).to_have_count(0)


def test_commands_are_asked_for_once_and_followed(browser: Browser, served: Served) -> None:
    """Back and Escape send nothing; what the engine refuses is shown in its words."""
    with opened(browser, served.link) as (page, problems):
        page.locator("[data-command=stop]").click()
        page.get_by_role("button", name="Back").click()
        page.locator("[data-command=flatten]").click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert newest_command(served.database) is None
        page.locator("[data-command=flatten]").click()
        page.get_by_label("down to what the option delta wants").check()
        page.get_by_role("dialog").get_by_role("button", name="Flatten").click()
        command_is(page, "pending")
        command = newest_command(served.database)
        assert command is not None and command[1:] == ("flatten", {"target": "delta", "force": False})
        rows.finish_command(served.database, command[0], "refused", {"reason": "outside the session"})
        command_is(page, "refused")
        expect(page.locator("#commands")).to_contain_text("Outside the session")
        assert problems == []


def test_rare_controls_appear_when_they_are_needed(browser: Browser, served: Served) -> None:
    """Leave safe mode, reset the breaker, accept positions, resolve an order: each with what the engine is told."""
    order = {
        "order_ref": "BFTEST", "side": "BUY", "quantity": 40, "filled": 0, "order_type": "market", "limit_price": None,
        "status": "", "why_held": "", "purpose": "hedge", "probes": 3, "state": "RECOVER",
    }  # fmt: skip
    details = {"breaker": "daily loss", "working_order": order}
    reasons = ["not_reconciled: 20 shares more than booked"]
    rows.write_status(
        served.database, self_check="blocked", block_reasons=reasons, trading_state="SAFE", details=details
    )
    with opened(browser, served.link) as (page, problems):
        for command in ("resume_safe", "reset_breaker"):
            page.locator(f"[data-command={command}]").click()
            expect(page.locator(f"[data-command-row={command}]")).to_have_count(1)
        page.locator("[data-command=accept_positions]").click()
        page.get_by_role("dialog").get_by_role("button", name="Accept positions").click()
        expect(page.locator("[data-command-row=accept_positions]")).to_have_count(1)
        page.locator("[data-command=resolve_order]").click()
        page.get_by_label("Price $").fill("141.25")
        page.get_by_role("dialog").get_by_role("button", name="Resolve order").click()
        expect(page.locator("[data-command-row=resolve_order]")).to_have_count(1)
        assert problems == []
    sent = {row[0]: row[1] for row in served.database.query("SELECT command, args FROM daemon_control")}
    assert sent == {
        "resume_safe": {},
        "reset_breaker": {},
        "accept_positions": {"expected": {rows.STOCK: -180.0, rows.CALL: 10.0, rows.PUT: 10.0}},
        "resolve_order": {"order_ref": "BFTEST", "outcome": "filled", "quantity": 40, "price": 141.25},
    }


def test_nobody_is_told_until_a_channel_is_configured(browser: Browser, served: Served) -> None:
    with opened(browser, served.link) as (page, problems):
        expect(page.locator("#notify-how")).to_contain_text("BIFROST_NOTIFY__WEBHOOK_URL")
        expect(page.locator("#notify-test")).to_have_count(0)
        assert problems == []


def test_a_channel_is_tested_from_the_page(browser: Browser, database: Database, tmp_path: Path) -> None:
    """The button sends one message; the page shows that it was taken, and what a channel says that takes none."""
    heard: list[dict[str, Any]] = []
    answers = [204, 500]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(answers[len(heard) - 1])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    rows.write_running_desk(database)
    with HTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        monitor = Served(database, tmp_path, BIFROST_NOTIFY__WEBHOOK_URL=f"http://127.0.0.1:{hook.server_port}/secret")
        monitor.start()
        try:
            with opened(browser, monitor.link) as (page, problems):
                row = page.locator("[data-channel=webhook]")
                expect(row).to_contain_text("nothing sent yet")
                page.locator("#notify-test").click()
                expect(page.locator("#notify-results")).to_have_text("webhook: the test was taken.")
                expect(row).to_contain_text("sent 1")
                page.locator("#notify-test").click()
                expect(page.locator("#notify-results")).to_contain_text("127.0.0.1 answered 500")
                expect(row).to_contain_text("failed 1")
                assert "secret" not in page.content() and problems == []
        finally:
            monitor.stop()
            hook.shutdown()
    assert [told["code"] for told in heard] == ["test", "test"]


def test_forms_are_not_overwritten_while_typing(browser: Browser, served: Served) -> None:
    """News arrives under the operator's hands; a live port asks for confirmation before it is saved."""
    with opened(browser, served.link) as (page, _):
        host = page.get_by_label("Host", exact=True)
        expect(host).to_have_value("127.0.0.1")
        host.fill("192.168.1.")
        interval = page.get_by_label("Heartbeat every")
        interval.fill("7")
        rows.write_status(served.database, net_delta=55.5)
        expect(page.locator("#delta")).to_contain_text("+55.5")
        expect(host).to_have_value("192.168.1.")
        expect(interval).to_have_value("7")
        host.fill("192.168.1.20")
        form = page.locator("#ib-form")
        form.get_by_label("Port").select_option("tws_live")
        form.get_by_role("button", name="Save").click()
        expect(page.locator("#ib-note")).to_contain_text("confirm=true")
        form.get_by_role("checkbox").check()
        form.get_by_role("button", name="Save").click()
        expect(page.locator("#ib-note")).to_contain_text("Saved")
        assert served.database.query("SELECT ib_host, ib_port_type FROM settings") == [("192.168.1.20", "tws_live")]


def test_without_the_token_controls_are_locked_until_it_is_given(browser: Browser, served: Served) -> None:
    with opened(browser, served.url) as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        expect(page.locator("[data-command=stop]")).to_be_disabled()
        page.get_by_label("Token").fill("not-the-token")
        page.get_by_role("button", name="Unlock").click()
        expect(page.get_by_role("alert")).to_contain_text("make token")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Unlock").click()
        expect(page.locator("[data-command=stop]")).to_be_enabled()


def test_a_monitor_that_went_away_is_noticed_and_found_again(browser: Browser, served: Served) -> None:
    """What is no longer the present looks like it; nobody needs to reload."""
    with opened(browser, served.link) as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        served.stop()
        expect(page.locator(".banner")).to_contain_text("does not answer")
        expect(page.locator("body[data-old=true]")).to_be_visible()
        served.start()
        expect(page.locator(".banner")).to_have_count(0)
        rows.write_status(served.database, net_delta=-33.3)
        expect(page.locator("#delta")).to_contain_text("−33.3")


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [(360, "dark", "zh"), (820, "dark", "en"), (1440, "light", "en")],
)
def test_every_page_fits_speaks_and_is_accessible(
    browser: Browser, served: Served, width: int, theme: str, language: str
) -> None:
    """No page is wider than its screen, the console stays silent, and axe finds nothing serious."""
    rows.write_operation(served.database, "2026-03-20T15:04:05+00:00", "fill", side="BUY", quantity=33, order_ref="BFX")
    rows.write_trading_day(served.database)
    rows.write_backtest_worker(served.database)
    for run_id in RUNS:
        rows.write_backtest(served.database, run_id)
    with opened(browser, served.link, width=width, height=800, theme=theme, language=language) as (page, problems):
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else "en")
        for name in PAGES:
            page.evaluate("name => { location.hash = '#/' + name }", name)
            expect(page.locator(f"main.page-{name.split('/')[0]} .panel").first).to_be_visible()
            expect(page.locator("main .skeleton")).to_have_count(0)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, name
            assert serious_findings(page) == [], name
        if language == "zh":
            expect(page.locator("nav")).to_contain_text("交易台")
        assert problems == []


def test_the_keyboard_is_enough(browser: Browser, served: Served) -> None:
    """Skip link, navigation and a command, without a pointer."""
    with opened(browser, served.link) as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.locator("[data-command=suspend]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("[data-command=resume]")).to_be_visible()
        assert served.database.value("SELECT suspended FROM daemon_run_status") is True
