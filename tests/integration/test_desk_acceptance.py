"""The desk through its launcher, end to end: the first minute, the recorded day, and life without a gateway."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from bifrost import paths
from bifrost.tape import LeanDay, QuoteRow

from tests.support import desk_checks as checks
from tests.support.desk_checks import DeskView
from tests.support.desk_process import DeskProcess, fresh_checkout
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

NEW_YORK = ZoneInfo("America/New_York")
TWX_DAY = date(2014, 6, 5)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the database's own user can reach: pytest's own folders are private."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-home-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def market_now(desk: DeskView) -> datetime:
    """The simulator's market clock."""
    return datetime.fromisoformat(desk.world("/state")["clock"]["market"]).astimezone(NEW_YORK)


def hedges_today(desk: DeskView) -> int:
    return int(desk.value("SELECT coalesce(max(hedge_count), 0) FROM trading_days"))


@pytest.mark.timeout(600)
def test_the_first_minute_the_second_start_and_the_stop_button(home: Path) -> None:
    """TC-2-R-C1b-1, TC-2-DOC: a fresh checkout, `make run`, hedges, Ctrl-C, a second start that continues, POST stop.

    Within a minute of the page's opening everything must be there.
    """
    checkout = fresh_checkout(home.parent / "bifrost")
    home = checkout / ".bifrost"
    with DeskProcess(home, checkout=checkout) as desk:
        view = desk.wait_until_up(400)
        checks.check_a_hedging_desk(view)
        assert desk.ctrl_c() == 0, desk.output
        desk.wait_until_nothing_runs()
    assert desk.stored("SELECT graceful_shutdown_at IS NOT NULL FROM daemon_heartbeat") is True
    clock = desk.stored("SELECT ts FROM status_current")
    fills = int(desk.stored("SELECT count(*) FROM operations WHERE type = 'fill'"))
    counted = int(desk.stored("SELECT max(hedge_count) FROM trading_days"))

    with DeskProcess(home, checkout=checkout) as desk:
        view = desk.wait_until_up()
        assert "installing" not in desk.output, "the second start made the environment anew"
        assert market_now(view) >= clock, "the market clock went back"
        assert (market_now(view) - clock).total_seconds() < 1800, "the market clock did not stand still meanwhile"
        checks.wait_for_lamp(view, "green")
        assert hedges_today(view) >= counted
        checks.wait_for_a_hedge(view, 90, more_than=fills)
        checks.wait_until_ledger_is_broker(view)
        checks.check_the_wire(view)

        answer = view.command("stop")
        assert answer["status"] == "done", answer
        desk.wait_for("engine ended well and stays down", 30)
        placed = len(view.journal("placeOrder"))
        checks.wait_for_lamp(view, "red")
        assert view.value("SELECT graceful_shutdown_at IS NOT NULL FROM daemon_heartbeat")
        for service in ("simulator", "pricer", "monitor"):
            assert desk.service(service).is_running()
        assert len(view.journal("placeOrder")) == placed
        assert desk.ctrl_c() == 0, desk.output

    with DeskProcess(home, checkout=checkout) as desk:
        view = desk.wait_until_up()
        checks.wait_for_lamp(view, "green")
        assert desk.ctrl_c() == 0


# -- the recorded day


def twx_from(folder: Path, start: str) -> Path:
    """The shipped scenario of the recorded day, begun at another time of it."""
    shipped = paths.repository_root() / "config" / "scenarios" / "twx-2014-06-05.yaml"
    scenario = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    assert str(scenario["start"]).startswith("2014-06-05")
    scenario["start"] = f"2014-06-05 {start}:00"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"twx-{start.replace(':', '')}.yaml"
    made.write_text(yaml.safe_dump(scenario), encoding="utf-8")
    return made


def run_until(home: Path, scenario: Path, data: str, until: time) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Run the desk on ``scenario`` until that New York time; gives the orders on the wire and the fills."""
    with DeskProcess(home, "--scenario", str(scenario), BIFROST_DATA=data) as desk:
        view = desk.wait_until_up()
        wait_until(lambda: market_now(view).timetz().replace(tzinfo=None) >= until, 120, what=f"{until}", every_s=0.5)
        checks.wait_until_ledger_is_broker(view)
        placed = [entry for entry in view.journal("placeOrder") if entry["_direction"] == "in"]
        fills = view.rows(
            "SELECT exec_time, price, side, quantity FROM executions "
            "WHERE origin = 'own' AND contract_key LIKE '%|STK|%'"
        )
        if placed:
            checks.check_the_wire(view)
        assert desk.ctrl_c() == 0, desk.output
    return placed, fills


def quotes_around(rows: list[QuoteRow], at: datetime) -> list[QuoteRow]:
    """The quotes shown at ``at`` and at the minute's turn beside it, for a fill on the very second of a change."""
    at_s = at.timestamp()
    known = [row for row in rows if row.published_s <= at_s + 1.0]
    return known[-2:]


@pytest.mark.lean
def test_the_recorded_day_is_hedged_at_recorded_prices_in_its_session(home: Path) -> None:
    """TWX, 5 June 2014, 09:45 to 10:45 and 15:50 to 16:10: fills at the bid or ask, no order outside the session."""
    data = os.environ.get("BIFROST_DATA", "")
    if not (Path(data) / "lean" / "equity" / "usa" / "minute" / "twx").is_dir():
        pytest.skip("BIFROST_DATA does not name the recorded data")
    data = str(Path(data).absolute())
    recorded = LeanDay(Path(data) / "lean", "TWX", TWX_DAY)
    stock = recorded.quotes[recorded.stock]
    all_fills = []
    for start, until in (("09:45", time(10, 45)), ("15:48", time(16, 10))):
        scenario = twx_from(home.parent / "scenarios", start)
        placed, fills = run_until(home.with_name(start.replace(":", "")), scenario, data, until)
        for order in placed:
            sent = datetime.fromisoformat(order["_market"]).astimezone(NEW_YORK)
            assert sent.date() == TWX_DAY and time(9, 30) <= sent.time() < time(16, 0), f"an order left at {sent}"
        all_fills += fills
    assert all_fills, "nothing was hedged"
    for at, price, side, _quantity in all_fills:
        shown = quotes_around(stock, at)
        wanted = [row.ask if side == "BUY" else row.bid for row in shown]
        assert any(abs(price - quote) < 1e-9 for quote in wanted), (at, side, price, shown)


# -- without a gateway


def test_without_a_gateway_it_waits_in_yellow_and_goes_green_when_one_comes(home: Path) -> None:
    """Countdown, retry_ib, then the simulator starts; stop works with and without a gateway."""
    retry = {"BIFROST_DAEMON__IB_RETRY_INTERVAL_SEC": "20", "BIFROST_DAEMON__HEARTBEAT_INTERVAL": "5"}
    with DeskProcess(home, "--without", "simulator", **retry) as desk:
        view = desk.wait_until_up()
        status = checks.wait_for_lamp(view, "yellow")
        wait_until(
            lambda: (view.status().get("daemon_heartbeat") or {}).get("seconds_until_retry") is not None,
            30,
            what="the countdown",
            every_s=0.3,
        )
        assert status["daemon_heartbeat"]["ib_connected"] is False
        assert any(reason.startswith("ib_disconnected") for reason in view.status()["daemon_block_reasons"])
        assert view.command("retry_ib")["status"] == "done"
        assert view.command("stop")["status"] == "done"
        desk.wait_for("engine ended well and stays down", 30)
        assert desk.ctrl_c() == 0

    with DeskProcess(home, "--without", "simulator", **retry) as desk:
        view = desk.wait_until_up()
        checks.wait_for_lamp(view, "yellow")
        command = [sys.executable, "-m", "bifrost_simulator", "run"]
        gateway = subprocess.Popen(command, env=desk.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            checks.wait_for_lamp(view, "green", 90)
            assert view.command("stop")["status"] == "done"
        finally:
            gateway.terminate()
            gateway.wait(20)
        assert desk.ctrl_c() == 0
