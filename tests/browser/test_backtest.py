"""The Backtest page: a run launched and followed, its report, decisions and comparison; what stands in the way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bifrost import paths
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served
from tests.monitor import rows
from tests.support.browser import opened
from tests.support.postgres import Database

pytestmark = [pytest.mark.browser, pytest.mark.integration]
RUN = "a1111111-1111-4111-8111-111111111111"


@pytest.fixture
def worker(database: Database, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The backtest process as `make run` starts it, with the shipped day and no other data."""
    env = database.env("engine") | {
        "PATH": os.environ["PATH"],
        "BIFROST_HOME": str(tmp_path / "backtest"),
        "BIFROST_DATA": str(tmp_path / "nothing"),
        "BIFROST_SCENARIO": str(paths.repository_root() / "config" / "scenarios" / "twx-2014-06-05.yaml"),
    }
    process = subprocess.Popen([sys.executable, "-m", "bifrost_engine", "backtests"], env=env)
    yield process
    process.terminate()
    assert process.wait(20) == 0


def at_backtests(page: Page) -> None:
    page.get_by_role("link", name="Backtest", exact=True).click()
    expect(page.locator("main.page-backtest .panel").first).to_be_visible()


@pytest.mark.timeout(600)
def test_a_run_is_launched_followed_opened_and_compared(
    browser: Browser, served: Served, worker: subprocess.Popen[bytes]
) -> None:
    """Progress from the run itself, its figures, each decision, policies, compared with a run that was there."""
    database = served.database
    with opened(browser, served.link) as (page, problems):
        at_backtests(page)
        offered = page.locator("select[name=source]")
        expect(offered).to_contain_text("NVDA · shipped with the project · 1 d", timeout=60_000)
        page.locator("textarea[name=set]").fill("gates.intent.hedge.cooldown_seconds = 1800")
        launch = page.get_by_role("button", name="Launch", exact=True)
        launch.click()
        expect(page.locator("#bt-progress")).to_be_visible()
        expect(launch).to_be_disabled()
        # It gives way to every other process of a busy machine.
        expect(page.locator(".bt-jobs [data-status=done]")).to_be_visible(timeout=300_000)
        told = database.value("SELECT progress FROM backtest_jobs")
        assert told["stage"] == "stored" and told["ticks"] > 0 and told["days"] == 1
        ((run_id, pnl, hedges, cooldown_s),) = database.query(
            "SELECT run_id::text, (summary->'pnl'->>'at_mid_usd')::float8, (summary->>'hedges')::int, "
            "(config->'gates'->'intent'->'hedge'->>'cooldown_seconds')::float8 FROM backtest_runs"
        )
        assert cooldown_s == 1800.0

        page.locator(".bt-jobs [data-status=done] a").click()
        expect(page.locator("#bt-tiles")).to_contain_text(f"{abs(pnl):,.2f}")
        expect(page.locator(".bt-chart canvas").first).to_be_visible()
        expect(page.locator(".bt-scatter circle")).to_have_count(16)
        hedged = "SELECT count(*) FROM backtest_ticks WHERE run_id = %s AND decision = 'hedge'"
        ticks = page.locator(".bt-ticks tbody tr")
        expect(ticks).to_have_count(100)
        page.locator("select[name=decision]").select_option("hedge")
        expect(ticks).to_have_count(database.value(hedged, run_id))
        page.locator("select[name=decision]").select_option("")
        page.get_by_role("button", name="Next page").click()
        expect(ticks.first.locator("td").first).to_have_text("101")

        rows.write_backtest(database, RUN)
        page.get_by_role("link", name="All runs").click()
        boxes = page.get_by_role("checkbox")
        expect(boxes).to_have_count(2)
        for box in boxes.all():
            box.check()
        page.locator("#bt-compare").click()
        expect(page.get_by_role("row", name=re.compile("cooldown_seconds"))).to_contain_text("1800")
        compared = page.locator(".bt-compared tbody tr", has_text="Hedges").locator("td")
        expect(compared).to_have_text(["4", f"{hedges:,}"])
        assert problems == []


def test_bad_input_is_refused_in_words_and_a_run_is_cancelled(browser: Browser, served: Served) -> None:
    """The form stays as it was typed; progress and cancelling are what the rows say."""
    database = served.database
    rows.write_backtest_worker(database, age_s=-600)  # it beats all through the test
    with opened(browser, served.link) as (page, problems):
        at_backtests(page)
        error = page.locator("#bt-error")
        for name, typed, words in (
            ("textarea[name=set]", "cooldown", "Line 1: write key = value"),
            ("textarea[name=set]", "status.postgres.host = elsewhere", "no key of gates or greeks"),
            ("input[name=quantity]", "many", "Quantity = 'many'"),
        ):
            before = page.locator(name).input_value()
            page.locator(name).fill(typed)
            page.get_by_role("button", name="Launch", exact=True).click()
            expect(error).to_contain_text(words)
            expect(page.locator(name)).to_have_value(typed)
            page.locator(name).fill(before)
        assert database.value("SELECT count(*) FROM backtest_jobs") == 0
        page.get_by_role("button", name="Launch", exact=True).click()
        expect(page.locator("#bt-progress")).to_have_attribute("data-stage", "pending")
        database.query(
            "UPDATE backtest_jobs SET status = 'running', started_at = now(), progress = "
            """'{"stage": "running", "at": "2014-06-05T15:00:00+00:00", "days": 3, "days_done": 1, "fraction": 0.42}'"""
        )
        expect(page.locator(".bt-job")).to_contain_text("42 %")
        expect(page.locator(".bt-job")).to_contain_text("day 2 of 3")
        page.locator("#bt-cancel").click()
        expect(page.locator("#bt-cancel")).to_be_disabled()
        assert database.value("SELECT cancel_requested_at IS NOT NULL FROM backtest_jobs") is True
        database.query("UPDATE backtest_jobs SET status = 'failed', finished_at = now(), error = 'no expiry fits'")
        expect(page.locator(".bt-jobs [data-status=failed]")).to_contain_text("No expiry fits")
        # What the browser says of each 422 is the answer that was wanted.
        assert all("422" in text for text in problems)


def test_what_stands_in_the_way_is_said_and_runs_are_still_shown(browser: Browser, served: Served) -> None:
    rows.write_backtest(served.database, RUN)
    with opened(browser, served.link) as (page, problems):
        at_backtests(page)
        expect(page.locator("[data-obstacle=no_worker]")).to_contain_text("python -m bifrost_engine backtests")
        expect(page.locator("#bt-form")).to_have_count(0)
        rows.write_backtest_worker(served.database, offer={"sources": [], "defaults": {"min_dte": 21, "max_dte": 35}})
        expect(page.locator("[data-obstacle=no_data]")).to_contain_text("BIFROST_DATA")
        page.locator(".bt-runs tbody tr a").click()
        expect(page.locator("#bt-tiles")).to_contain_text("+$812.50")
        page.locator("[data-reason=cooldown]").click()
        expect(page.locator(".bt-ticks tbody tr")).to_have_count(8)
        page.evaluate("() => { location.hash = '#/backtest/run/00000000-0000-4000-8000-000000000000' }")
        expect(page.get_by_role("alert")).to_contain_text("There is no backtest run")
        assert all("404" in text for text in problems)
