"""GET /stats beside `bifrost stats` on the same rows, both to the cent of what was worked out by hand."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from bifrost import cli

from tests.monitor.conftest import Monitor
from tests.support.postgres import Database
from tests.support.recorded import record_days

pytestmark = pytest.mark.integration
SPAN = ("2026-03-01", "2026-11-30")
#: Of each period with anything in it, worked out by hand from `record_days`:
#: hedges, shares hedged, slippage $, commissions $, P&L $, P&L of the round trips $, equity at its end $.
FRIDAY = (2, 160.0, 2.30, 2.0, 120.25, 64.40, 120.25)
MONDAY = (1, 80.0, 1.60, 1.0, -45.10, -37.70, 75.15)
HALF_DAY = (0, 0.0, -0.80, 0.5, 10.00, 19.00, 85.15)
BY_HAND = {
    "day": {"2026-03-06": FRIDAY, "2026-03-09": MONDAY, "2026-11-27": HALF_DAY},
    # The clocks changed in the nights that end W10 and W44, and W48 has Thanksgiving and the half day after it.
    "week": {"2026-W10": FRIDAY, "2026-W11": MONDAY, "2026-W48": HALF_DAY},
    "month": {"2026-03": (3, 240.0, 3.90, 3.0, 75.15, 26.70, 75.15), "2026-11": HALF_DAY},
}
OUTSIDE = {
    "day": {"2026-03-06": 7, "2026-03-09": 11, "2026-10-30": 3, "2026-11-02": 5},
    "week": {"2026-W10": 7, "2026-W11": 11, "2026-W44": 3, "2026-W45": 5},
    "month": {"2026-03": 18, "2026-10": 3, "2026-11": 5},
}
DAYS = {"day": 1, "week": 4, "month": 20}


def command_line(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                 *words: str) -> str:  # fmt: skip
    for name, value in database.env("monitor").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["stats", "--from", SPAN[0], "--to", SPAN[1], "--mode", "live", *words]) == 0
    return capsys.readouterr().out


def by_hand(period: dict[str, Any], equity: float) -> tuple[Any, ...]:
    return (
        period["hedges"],
        period["hedge_shares"],
        period["slippage_usd"],
        period["commissions_usd"],
        period["pnl_usd"],
        period["pnl_by_round_trip"]["total_usd"],
        equity,
    )


def test_TC_3_R_H2_1_the_api_says_what_the_command_line_says_to_the_cent(
    monitor: Monitor, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """TC-3-R-H2-1: days, weeks and months over both changes of the clocks and a half day, offline."""
    record_days(database)
    for by, wanted in BY_HAND.items():
        api = monitor.get(f"/stats?from={SPAN[0]}&to={SPAN[1]}&mode=live&by={by}").json()
        document = json.loads(command_line(database, monkeypatch, capsys, "--by", by, "--format", "json"))
        assert {name: api[name] for name in document} == document, by
        equity = {point["period"]: point["equity_usd"] for point in api["equity"]}
        periods = {period["period"]: period for period in api["periods"]}
        for name, period in periods.items():
            nothing = (0, 0.0, 0.0, 0.0, 0.0, 0.0)
            figures = by_hand(period, equity[name])
            assert figures == wanted.get(name, (*nothing, figures[-1])), (by, name)
            assert period["blocked"].get("outside_session", 0) == OUTSIDE[by].get(name, 0), (by, name)
        half_days = {name: period["half_days"] for name, period in periods.items() if period["half_days"]}
        assert list(half_days) == [list(wanted)[-1]] and periods[list(wanted)[-1]]["trading_days"] == DAYS[by]
        assert by_hand(api["total"], api["equity"][-1]["equity_usd"]) == (3, 240.0, 3.10, 3.5, 85.15, 45.70, 85.15)
        assert api["max_drawdown_usd"] == (0.0 if by == "month" else -45.10)
        rows = csv.DictReader(io.StringIO(command_line(database, monkeypatch, capsys, "--by", by, "--format", "csv")))
        for row in rows:
            period = periods[row["period"]]
            for name in ("hedges", "hedge_shares", "slippage_usd", "commissions_usd", "pnl_usd"):
                assert float(row[name]) == period[name], (by, row["period"], name)
            assert float(row["round_trip_total_usd"]) == period["pnl_by_round_trip"]["total_usd"]
