"""Figures over rows, without a database: quantiles, round trips, corrections, periods."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from bifrost.calendar import TradingCalendar
from bifrost.stats import (
    By,
    DayRow,
    FillRow,
    Recorded,
    StateSpan,
    StatsError,
    counting,
    distribution,
    round_trips,
    statistics,
    window,
)
from hypothesis import given
from hypothesis import strategies as st

STOCK = "NVDA|STK|||"
CENTS = st.integers(-500_000, 500_000).map(lambda number: Decimal(number) / 100)


def fill(
    number: int, side: str, shares: float, price: float, commission: float | None = 0.0, **more: object
) -> FillRow:
    row: dict[str, object] = {"exec_id": f"e{number}", "order_ref": f"O{number}", "purpose": "hedge", "mid": price}
    row |= more
    return FillRow(contract_key=STOCK, side=side, quantity=shares, price=price, multiplier=1.0,
                   ts_s=1_772_809_200.0 + number, commission=commission, **row)  # type: ignore[arg-type]  # fmt: skip


@given(st.lists(CENTS, min_size=2, max_size=40))
def test_the_spread_of_amounts_is_numpys(amounts: list[Decimal]) -> None:
    spread, floats = distribution(amounts), np.array([float(amount) for amount in amounts])
    assert spread.total == sum(amounts) and spread.count == len(amounts)
    assert float(spread.std or 0) == pytest.approx(floats.std(ddof=1), abs=1e-6)
    for part, value in ((5, spread.p05), (25, spread.p25), (50, spread.median), (75, spread.p75), (95, spread.p95)):
        assert value is not None and float(value) == pytest.approx(np.percentile(floats, part), abs=1e-6)


@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 200), st.integers(9_000, 11_000))))
def test_round_trips_and_what_is_open_make_up_the_whole_money(trades: list[tuple[str, int, int]]) -> None:
    """Once flat, the round trips add up to the cash of all trades: nothing is lost or counted twice."""
    fills = [fill(n, side, shares, price / 100, 1.0) for n, (side, shares, price) in enumerate(trades)]
    rest = sum(item.sign * int(item.quantity) for item in fills)
    flat = [*fills]
    if rest:
        flat.append(fill(len(fills), "SELL" if rest > 0 else "BUY", abs(rest), 100.0, 1.0))
    cash = sum((Decimal(-item.sign) * int(item.quantity) * Decimal(repr(item.price)) for item in flat), Decimal(0))
    total = sum((trip.pnl_usd for trip in round_trips(flat)), Decimal(0))
    assert abs(total - (cash - len(flat))) < Decimal("1e-9")


def test_an_order_that_turns_the_position_closes_first_and_opens_the_rest() -> None:
    trips = round_trips([fill(1, "BUY", 10, 100.0), fill(2, "SELL", 25, 101.0), fill(3, "BUY", 15, 100.0)])
    assert [(trip.order_ref, trip.quantity, trip.pnl_usd) for trip in trips] == [("O2", 10, 10), ("O3", 15, 15)]


def test_a_correction_counts_whenever_it_comes() -> None:
    first, second = fill(1, "BUY", 10, 100.0, exec_id="00a.01"), fill(2, "BUY", 9, 100.0, exec_id="00a.02")
    assert counting([first, second]) == (second,) and counting([second, first]) == (second,)
    real = fill(3, "BUY", 5, 100.0, exec_id="00b.01", replaces_exec_id="recon:O3")
    assert counting([fill(3, "BUY", 5, 100.0, exec_id="recon:O3"), real]) == (real,)
    assert len(counting([fill(n, "BUY", 1, 100.0, exec_id=f"exer:NVDA|OPT|2026|{n}.5|C:x") for n in (1, 2)])) == 2


def test_periods_hold_only_the_days_asked_for_and_join_without_a_gap() -> None:
    asked = window(date(2026, 3, 5), date(2026, 3, 17), By.WEEK, TradingCalendar())
    assert [period.name for period in asked.periods] == ["2026-W10", "2026-W11", "2026-W12"]
    assert [len(period.days) for period in asked.periods] == [2, 5, 2]
    assert [before.stop_s for before in asked.periods[:-1]] == [after.start_s for after in asked.periods[1:]]
    # Monday to Monday across the change of the clocks is an hour short of a week.
    assert asked.periods[1].start_s - asked.periods[0].start_s == (4 * 24 - 1) * 3600
    assert asked.index_at(asked.stop_s) is None and asked.index_at(asked.stop_s - 1) == 2


def test_a_market_that_never_closes_has_a_trading_day_each_date() -> None:
    asked = window(date(2026, 3, 7), date(2026, 3, 8), By.DAY, TradingCalendar(always_open=True))
    assert [period.name for period in asked.periods] == ["2026-03-07", "2026-03-08"]
    assert asked.periods[1].stop_s - asked.periods[1].start_s == 23 * 3600
    span = StateSpan(asked.start_s, asked.stop_s + 100, "running", "SAFE", "EXEC_IDLE", True)
    found = statistics(Recorded("DU1", "live", True, spans=(span,)), asked)
    assert [item.figures.states["trading"]["SAFE"].session_s for item in found.periods] == [24 * 3600, 23 * 3600]


def test_nothing_recorded_gives_zeros_and_no_rates() -> None:
    asked = window(date(2026, 3, 9), date(2026, 3, 9), By.MONTH, TradingCalendar())
    total = statistics(Recorded("DU1", "live"), asked).total
    assert (total.hedges, total.pnl_usd, total.by_day.win_rate, total.slippage.bps) == (0, 0, None, None)


def test_one_day_alone_has_no_standard_deviation() -> None:
    asked = window(date(2026, 3, 9), date(2026, 3, 9), By.DAY, TradingCalendar())
    found = statistics(Recorded("DU1", "live", days=(DayRow(date(2026, 3, 9), 12.345, False),)), asked)
    assert found.total.by_day.std is None and found.total.by_day.as_dict()["mean_usd"] == 12.34


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(StatsError, match="2026-03-08 is before --from 2026-03-09"):
        window(date(2026, 3, 9), date(2026, 3, 8), By.DAY, TradingCalendar())
