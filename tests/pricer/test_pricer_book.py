"""The book of prices over cycles: changed rows only, errors, stand-ins, grace, and what a restart remembers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from bifrost.calendar import TradingCalendar
from bifrost.contract import ContractKey, parse_contract_key
from bifrost_pricer.domain.book import STAND_IN_AFTER_S, PriceBook
from bifrost_pricer.domain.greeks import ModelInputs, OptionModel
from bifrost_pricer.domain.plan import HeldContract
from bifrost_pricer.domain.rows import OptionValues, PriceRow, PriceSource, Quote

STOCK = parse_contract_key("NVDA|STK|||")
CALL = parse_contract_key("NVDA|OPT|20260320|140|C")
PUT = parse_contract_key("NVDA|OPT|20260320|140|P")
T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Market:
    """Lines as a test sets them."""

    def __init__(self) -> None:
        self.quotes: dict[ContractKey, Quote] = {}
        self.models: dict[ContractKey, OptionValues] = {}
        self.troubles: dict[ContractKey, str] = {}

    def set(self, key: ContractKey, bid: float | None, ask: float | None, at: datetime = T0) -> None:
        self.quotes[key] = Quote(bid, ask, None, PriceSource.LIVE, at, None)

    def quote(self, key: ContractKey) -> Quote | None:
        return self.quotes.get(key)

    def model_values(self, key: ContractKey) -> OptionValues | None:
        return self.models.get(key)

    def trouble(self, key: ContractKey) -> str | None:
        return self.troubles.get(key)

    def fresh(self, key: ContractKey) -> bool:
        return key in self.quotes


class Bench:
    def __init__(self, grace_s: float = 60.0, solve_budget_s: float = 5.0) -> None:
        self.now = 0.0
        self.market = Market()
        model = OptionModel(ModelInputs(0.05, 0.0), TradingCalendar(), "NVDA")
        self.book = PriceBook(model, grace_s, solve_budget_s=solve_budget_s, monotonic=lambda: self.now)

    def cycle(self, *keys: ContractKey, at: datetime = T0) -> dict[ContractKey, PriceRow]:
        """One cycle that the database accepts; gives the rows that changed."""
        rows = self.book.cycle([HeldContract(key, 0, 1.0, 1) for key in keys], self.market, at)
        self.removed = rows.removed
        self.book.written(rows.changed, rows.removed)
        return {row.contract_key: row for row in rows.changed}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_row_for_every_contract_and_only_changes_after(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    first = bench.cycle(STOCK, CALL)
    assert first[STOCK].mid == 140.01
    assert first[CALL].mid is None
    assert bench.cycle(STOCK, CALL) == {}
    bench.market.set(STOCK, 140.02, 140.04)
    assert set(bench.cycle(STOCK, CALL)) == {STOCK}


def test_a_write_that_failed_is_written_again(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    held = [HeldContract(STOCK, 0, 1.0, 1)]
    assert bench.book.cycle(held, bench.market, T0).changed
    assert bench.book.cycle(held, bench.market, T0).changed


def test_ibs_model_comes_first(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    bench.market.set(CALL, 3.0, 3.1)
    bench.market.models[CALL] = OptionValues(0.41, 0.5, 0.02, -0.1, 0.1, 140.0, 3.05)
    row = bench.cycle(CALL)[CALL]
    assert (row.iv, row.delta, row.mid, row.source) == (0.41, 0.5, 3.05, PriceSource.LIVE)


def test_else_the_volatility_is_solved_from_the_mid(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.0)
    bench.market.set(CALL, 3.0, 3.1)
    bench.market.set(PUT, 2.5, 2.6)
    rows = bench.cycle(CALL, PUT)
    model = OptionModel(ModelInputs(0.05, 0.0), TradingCalendar(), "NVDA")
    for key, mid in ((CALL, 3.05), (PUT, 2.55)):
        iv = rows[key].iv
        assert iv is not None
        repriced = model.value(key, iv, 140.0, T0)
        assert repriced is not None
        assert repriced.price == pytest.approx(mid, abs=1e-5)
    call, put = rows[CALL], rows[PUT]
    assert call.delta is not None
    assert put.delta is not None
    assert 0 < call.delta < 1
    assert -1 < put.delta < 0
    # IB's units: vega per 0.01 of volatility, theta per day.
    assert call.vega == pytest.approx(0.12, abs=0.05)
    assert call.theta == pytest.approx(-0.1, abs=0.06)
    assert call.und_price == 140.0


def test_an_unsolvable_price_leaves_the_greeks_unknown(bench: Bench) -> None:
    bench.market.set(STOCK, 150.0, 150.0)
    bench.market.set(CALL, 3.0, 3.1)
    row = bench.cycle(CALL)[CALL]
    assert (row.mid, row.iv, row.delta) == (3.05, None, None)


def test_what_is_not_solved_in_time_is_solved_later() -> None:
    bench = Bench(solve_budget_s=0.0)
    bench.market.set(STOCK, 140.0, 140.0)
    bench.market.set(CALL, 3.0, 3.1)
    assert bench.cycle(CALL)[CALL].iv is None
    bench.book.solve_budget_s = 5.0
    assert bench.cycle(CALL)[CALL].iv is not None


def test_the_last_good_price_stays_when_the_line_is_gone(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    bench.cycle(STOCK)
    bench.market.quotes.clear()
    assert bench.cycle(STOCK, at=T0 + timedelta(hours=1)) == {}
    row = bench.book.row(STOCK)
    assert (row.mid, row.quote_ts) == (140.01, T0)


def test_the_model_stands_in_once_the_last_good_price_is_old(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.0)
    bench.market.set(CALL, 3.0, 3.1)
    bench.cycle(CALL)
    del bench.market.quotes[CALL]
    soon, late = T0 + timedelta(seconds=STAND_IN_AFTER_S - 1), T0 + timedelta(seconds=STAND_IN_AFTER_S)
    bench.market.set(STOCK, 141.0, 141.0, at=soon)
    assert bench.cycle(CALL, at=soon) == {}
    row = bench.cycle(CALL, at=late)[CALL]
    assert (row.source, row.bid, row.ask, row.quote_ts) == (PriceSource.MODEL, None, None, soon)
    assert row.mid is not None
    assert row.mid == pytest.approx(3.58, abs=0.1)
    bench.market.set(CALL, 3.5, 3.6, at=late)
    assert bench.cycle(CALL, at=late)[CALL].source is PriceSource.LIVE


def test_the_model_stands_for_nothing_without_a_volatility(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.0)
    row = bench.cycle(CALL, at=T0 + timedelta(hours=1))[CALL]
    assert (row.mid, row.source) == (None, None)


def test_trouble_is_told_once_and_cleared(bench: Bench) -> None:
    bench.market.troubles[CALL] = "not resolved by IB: unknown"
    assert bench.cycle(CALL)[CALL].error == "not resolved by IB: unknown"
    assert bench.cycle(CALL) == {}
    del bench.market.troubles[CALL]
    assert bench.cycle(CALL)[CALL].error is None


def test_a_contract_nobody_holds_goes_after_the_grace_time(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    bench.cycle(STOCK)
    bench.cycle()
    bench.now = 59.9
    bench.cycle()
    assert bench.removed == ()
    bench.now = 60.0
    bench.cycle()
    assert bench.removed == (STOCK,)
    bench.cycle()
    assert bench.removed == ()


def test_one_that_comes_back_in_time_stays(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    bench.cycle(STOCK)
    bench.cycle()
    bench.now = 59.0
    assert bench.cycle(STOCK) == {}
    bench.now = 100.0
    bench.cycle()
    assert bench.removed == ()


def test_a_restart_goes_on_with_the_stored_rows(bench: Bench) -> None:
    stored = PriceRow(CALL, mid=2.0, source=PriceSource.LIVE, quote_ts=T0, iv=0.3)
    bench.book.load([stored])
    assert bench.cycle(CALL) == {}
    assert bench.book.row(CALL) == stored


def test_a_row_that_the_database_lost_is_written_again(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.02)
    bench.cycle(STOCK)
    bench.book.load([])
    assert set(bench.cycle(STOCK)) == {STOCK}


def test_an_expired_option_has_no_greeks_but_keeps_its_price(bench: Bench) -> None:
    bench.market.set(STOCK, 140.0, 140.0)
    bench.market.set(CALL, 3.0, 3.1)
    row = bench.cycle(CALL, at=datetime(2026, 3, 21, 15, 0, tzinfo=UTC))[CALL]
    assert (row.mid, row.iv) == (3.05, None)


def test_dividends_of_the_configured_symbol_are_respected() -> None:
    plain = OptionModel(ModelInputs(0.05, 0.0), TradingCalendar(), "NVDA")
    paying = OptionModel(ModelInputs(0.05, 0.0, ((date(2026, 3, 10), 2.0),)), TradingCalendar(), "NVDA")
    other = parse_contract_key("TWX|OPT|20260320|140|C")
    values = {
        name: model.value(key, 0.3, 140.0, T0)
        for name, model, key in (("plain", plain, CALL), ("paying", paying, CALL), ("other", paying, other))
    }
    prices = {name: value.price for name, value in values.items() if value is not None}
    assert prices["paying"] is not None
    assert prices["plain"] is not None
    assert prices["paying"] < prices["plain"] - 0.5
    assert prices["other"] == pytest.approx(prices["plain"])
