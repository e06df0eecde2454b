"""The page of a running desk: each control pressed, its effect read in the database and at the simulated broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.acceptance import STOCK, TOKEN, Desk
from tests.support.browser import opened

pytestmark = [pytest.mark.browser, pytest.mark.integration]


@pytest.fixture
def page(browser: Browser, desk: Desk) -> Iterator[Page]:
    """The Desk page of a desk that hedges; nothing may go wrong on its console."""
    desk.recover()
    with opened(browser, f"{desk.url}/?token={TOKEN}") as (opened_page, problems):
        expect(opened_page.locator("body[data-lamp=green]")).to_be_visible()
        yield opened_page
        assert problems == []


def press(page: Page, command: str) -> None:
    page.locator(f"main [data-command={command}]").click()


def done(page: Page, command: str) -> None:
    """The page shows the command's end."""
    row = page.locator(f"#commands [data-command-row={command}]").first
    expect(row).to_have_class("command state-done")


def test_news_arrive_without_a_reload(page: Page, desk: Desk) -> None:
    """A fill at the broker is a row, and a receipt with its gates, while nobody touches the page."""
    table = page.get_by_label("Operations table").locator("tbody tr")
    expect(page.locator(".link-stream")).to_be_visible()
    before = desk.database.value("SELECT count(*) FROM operations WHERE type = 'fill'")
    desk.until(
        lambda: desk.database.value("SELECT count(*) FROM operations WHERE type = 'fill'") > before, "another fill", 60
    )
    desk.command("suspend")  # or the market at thirty times the clock pushes the row off the page
    price = desk.database.value("SELECT price FROM operations WHERE type = 'fill' ORDER BY id DESC LIMIT 1")
    expect(table.filter(has_text="fill").filter(has_text=f"{price:.2f}").first).to_be_visible()
    page.get_by_role("link", name="Activity").click()
    page.locator("main tbody tr", has_text="fill").first.locator("button").click()
    receipt = page.locator(".receipt")
    expect(receipt).to_contain_text("Acknowledged")
    expect(receipt.locator(".gates .check-row").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(receipt).to_have_count(0)


def test_suspend_and_resume_on_one_page_are_seen_on_another(page: Page, browser: Browser, desk: Desk) -> None:
    with opened(browser, f"{desk.url}/?token={TOKEN}") as (other, problems):
        press(page, "suspend")
        done(page, "suspend")
        assert desk.database.value("SELECT suspended FROM daemon_run_status") is True
        expect(other.locator("[data-command=resume]")).to_be_visible()
        expect(other.locator("#commands")).to_contain_text("Suspend hedging")
        press(other, "resume")
        expect(page.locator("main [data-command=suspend]")).to_be_visible()
        assert desk.database.value("SELECT suspended FROM daemon_run_status") is False
        assert problems == []


def test_flatten_shows_what_it_would_do_does_it_and_holds(page: Page, desk: Desk) -> None:
    press(page, "flatten")
    expect(page.locator("#flatten-preview")).to_contain_text("→ 0")
    page.get_by_role("dialog").get_by_role("button", name="Flatten").click()
    done(page, "flatten")
    desk.until(lambda: desk.broker_shares() == desk.by_hand, "no own share left at the broker", 30)
    assert desk.database.value("SELECT hold FROM trading_days ORDER BY trading_day DESC LIMIT 1")
    press(page, "resume")
    done(page, "resume")
    desk.until(
        lambda: not desk.database.value("SELECT hold FROM trading_days ORDER BY trading_day DESC LIMIT 1"), "no hold"
    )


def test_refresh_retry_and_interval_reach_the_engine(page: Page, desk: Desk) -> None:
    fetched = desk.database.value("SELECT max(fetched_at) FROM accounts")
    press(page, "refresh_accounts")
    done(page, "refresh_accounts")
    assert desk.database.value("SELECT max(fetched_at) FROM accounts") > fetched
    press(page, "retry_ib")
    desk.until(
        lambda: (
            desk.database.value("SELECT status FROM daemon_control WHERE command = 'retry_ib'") in ("done", "refused")
        ),
        "the engine's answer to retry_ib",
    )
    page.get_by_label("Heartbeat every").fill("6")
    page.get_by_role("button", name="Set", exact=True).click()
    done(page, "set_heartbeat_interval")
    desk.until(lambda: desk.database.value("SELECT heartbeat_interval_sec FROM daemon_heartbeat") == 6, "the interval")


def test_legs_are_released_and_adopted_on_the_accounts_page(page: Page, desk: Desk) -> None:
    managed = "SELECT count(*) FROM managed_legs WHERE released_at IS NULL"
    before = desk.database.value(managed)
    page.get_by_role("link", name="Accounts").click()
    page.get_by_role("button", name="Release …").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Release leg").click()
    desk.until(lambda: desk.database.value(managed) == before - 1, "a released leg")
    page.get_by_role("button", name="Adopt …").click()
    page.get_by_role("dialog").get_by_role("button", name="Adopt leg").click()
    desk.until(lambda: desk.database.value(managed) == before, "the leg adopted again")


def test_the_simulators_page_moves_the_world(page: Page, desk: Desk) -> None:
    """A fault begins and ends, the clock changes its speed, and the human at TWS trades the same account."""
    page.get_by_role("link", name="Simulator").click()
    page.get_by_label("Search").fill("spread")
    page.get_by_role("button", name="spread wide").click()
    page.get_by_role("button", name="Inject").click()
    expect(page.locator(".active-faults")).to_contain_text("spread wide")
    assert [fault["name"] for fault in desk.simulator.get("/faults")["active"]] == ["spread_wide"]
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.locator(".active-faults")).to_have_count(0)
    assert desk.simulator.get("/faults")["active"] == []
    page.get_by_role("button", name="×60", exact=True).click()
    desk.until(lambda: desk.simulator.get("/state")["clock"]["speed"] == 60, "the speed")
    page.get_by_role("button", name="×10", exact=True).click()
    desk.until(lambda: desk.simulator.get("/state")["clock"]["speed"] == 10, "the speed")
    # The account is compared while no order of ours is under way: without hedges it is soon.
    desk.command("suspend")
    page.get_by_label("Shares").fill("7")
    page.get_by_role("button", name="Trade", exact=True).click()
    expect(page.get_by_text(f"Sent: BUY 7 {STOCK.split('|')[0]}")).to_be_visible()
    desk.by_hand += 7
    theirs = "SELECT sum(quantity) FROM executions WHERE origin = 'external' AND side = 'BUY'"
    desk.until(lambda: desk.database.value(theirs) == 7, "the engine to have seen the human's trade")


def test_logs_are_followed(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name="Logs").click()
    lines = page.locator(".log-line")
    expect(lines.first).to_be_visible()
    page.get_by_label("Filter").fill("refresh_accounts")
    desk.command("refresh_accounts")
    expect(lines.filter(has_text="refresh_accounts").first).to_be_visible()


def test_the_monitor_restarts_under_an_open_page(browser: Browser, desk: Desk) -> None:
    desk.recover()
    with opened(browser, f"{desk.url}/?token={TOKEN}") as (page, _):
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        desk.monitor.end()
        expect(page.locator(".banner")).to_contain_text("does not answer")
        desk.monitor.start()
        expect(page.locator(".banner")).to_have_count(0)
        press(page, "suspend")
        done(page, "suspend")
        press(page, "resume")
        done(page, "resume")


def test_an_order_whose_fate_nobody_tells_is_resolved(page: Page, desk: Desk) -> None:
    """The gateway forgets an order and the wire goes: the operator looked at TWS and says that nothing was filled."""
    placed = set(desk.placed())
    desk.simulator.post("/faults/order_lost", after_s=0)
    reference = desk.until(lambda: next(iter(set(desk.placed()) - placed), None), "an order that is lost", 60)
    desk.to_gateway.cut()
    page.locator("[data-command=resolve_order]").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text(reference)
    question.get_by_label("not filled").check()
    question.get_by_role("button", name="Resolve order").click()
    done(page, "resolve_order")
    desk.recover()
    told = "SELECT state FROM order_intents WHERE order_ref = %s"
    desk.until(lambda: desk.database.value(told, reference) == "cancelled", "the intent's end")
    assert not desk.database.query("SELECT 1 FROM executions WHERE order_ref = %s", reference)
    assert reference not in {order["order_ref"] for order in desk.open_orders()}


def test_safe_mode_a_latched_breaker_and_strangers_shares_are_one_button_each(page: Page, desk: Desk) -> None:
    """An engine that waits long before it leaves safe mode, finds its breaker latched and, in account scope, shares
    that nobody has confirmed.

    The breaker is latched in the row, as an earlier life would have left it: this market cannot be told to lose.
    """
    desk.engine.terminate()
    desk.trade_by_hand("BUY", 40)
    desk.by_hand += 40
    desk.database.query(
        "UPDATE trading_days SET breaker_at = (SELECT max(ts) FROM status_history), breaker_reset_at = NULL, "
        "breaker_reason = 'lost too much' WHERE trading_day = (SELECT max(trading_day) FROM trading_days)"
    )
    with desk.new_engine(
        "account",
        BIFROST_GATES__INTENT__HEDGE__STOCK_SCOPE="account",
        BIFROST_GATES__STATE__SYSTEM__SAFE_DEBOUNCE_S="600",
    ):
        press(page, "reset_breaker")
        done(page, "reset_breaker")
        reset = "SELECT breaker_reset_at IS NOT NULL FROM trading_days ORDER BY trading_day DESC LIMIT 1"
        assert desk.database.value(reset) is True
        desk.until(lambda: asks_to_accept(page, desk.broker_shares()), "the broker's shares in the question")
        page.get_by_role("dialog").get_by_role("button", name="Accept positions").click()
        done(page, "accept_positions")
        named = "SELECT (args->'expected'->>%s)::float8 FROM daemon_control WHERE command = 'accept_positions'"
        assert desk.database.value(named, STOCK) == desk.broker_shares()
        assert desk.database.query("SELECT shares, origin FROM external_baseline") == [(desk.by_hand, "confirmed")]
        press(page, "resume_safe")
        done(page, "resume_safe")
        assert desk.database.value("SELECT result->>'was' FROM daemon_control WHERE command = 'resume_safe'")
        expect(page.locator("body[data-lamp=green]")).to_be_visible()
        placed = len(desk.placed())
        desk.until(lambda: len(desk.placed()) > placed, "a hedge at the broker", 60)


def asks_to_accept(page: Page, shares: float) -> bool:
    """Whether the question names so many shares; it keeps what it showed when it was asked."""
    press(page, "accept_positions")
    question = page.get_by_role("dialog")
    named = question.get_by_role("row", name=STOCK.split("|")[0]).first.locator("td").inner_text()
    if named == f"{shares:,.0f}".replace("-", "−"):
        return True
    question.get_by_role("button", name="Back").click()
    return False


def test_stop_asks_ends_the_engine_and_shows_how_to_start_one(page: Page, desk: Desk) -> None:
    press(page, "stop")
    expect(page.get_by_role("dialog")).to_contain_text("nobody hedges them")
    page.get_by_role("dialog").get_by_role("button", name="Stop engine").click()
    done(page, "stop")
    desk.until(lambda: not desk.engine.running, "the engine's end", 20)
    expect(page.locator("body[data-lamp=red]")).to_be_visible()
    expect(page.locator("#start-hint")).to_contain_text("make run")
    assert desk.database.value("SELECT graceful_shutdown_at IS NOT NULL FROM daemon_heartbeat") is True
