"""Money adds up: cash, positions, commissions and values under any sequence of orders."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from bifrost_simulator.api import BrokerError, ContractQuery
from bifrost_simulator.broker.account import Account
from bifrost_simulator.broker.commissions import fill_commission, order_commission
from bifrost_simulator.hours import Hours
from bifrost_simulator.universe import Universe
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.world_support import ACCOUNT, CLIENT, Stage, request, scenario_file

CALL = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C", exchange="SMART")


@pytest.mark.parametrize(
    ("sec_type", "quantity", "value", "expected"),
    [
        ("STK", 100, 14_000.0, 1.0),
        ("STK", 1000, 140_000.0, 5.0),
        ("STK", 10, 20.0, 0.2),  # at most 1 % of the value
        ("OPT", 1, 575.0, 1.0),
        ("OPT", 10, 5_750.0, 6.5),
        ("STK", 0, 0.0, 0.0),
    ],
)
def test_commissions_of_the_fixed_schedule(sec_type: str, quantity: float, value: float, expected: float) -> None:
    assert order_commission(sec_type, quantity, value) == pytest.approx(expected)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=8))
def test_parts_of_an_order_cost_what_the_order_costs(parts: list[int]) -> None:
    filled = value = paid = 0.0
    for part in parts:
        paid += fill_commission("STK", part, part * 140.0, filled, value)
        filled, value = filled + part, value + part * 140.0
    assert paid == pytest.approx(order_commission("STK", filled, value), abs=0.001)


def test_average_cost_holds_multiplier_and_commission_and_closing_realises() -> None:
    universe = Universe("NVDA", Hours())
    account = Account("DU1", 100_000.0)
    stock = universe.stock
    assert account.fill(stock, 100, 140.0, 1.0) is None
    assert account.holding(stock).avg_cost == pytest.approx(140.01)
    realized = account.fill(stock, -150, 141.0, 1.5)
    assert realized == pytest.approx(100 * (141.0 - 140.01) - 1.0)
    assert account.holding(stock).quantity == -50
    assert account.holding(stock).avg_cost == pytest.approx(141.0 - 0.01), "a short's cost is what it brought, net"
    assert account.cash == pytest.approx(100_000 - 14_000 - 1 + 21_150 - 1.5)


_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 900),
        st.sampled_from(["stock", "option", "manual", "cancel", "limit"]),
        st.sampled_from([1, 2, 3]),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=15, deadline=None)
@given(_ACTIONS)
def test_money_and_positions_add_up_whatever_happens(actions: list[tuple[str, int, str, int]]) -> None:
    """Three clients and the human at TWS trade at random; nothing appears from nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(scenario_file(Path(folder), speed=20))
        for number, (side, size, kind, client) in enumerate(actions, start=1):
            _act(stage, number, side, size, kind, client)
            stage.live(0.3)
        stage.live(3.0)
        _assert_adds_up(stage)


def _act(stage: Stage, number: int, side: str, size: int, kind: str, client: int) -> None:
    world = stage.world
    try:
        if kind == "cancel":
            for order in world.open_orders(client):
                world.cancel_order(client, order.order_id)
        elif kind == "manual":
            world.place_manual(request(side, size))
        elif kind == "option":
            world.place_order(client, number, request(side, 1 + size % 20, contract=CALL))
        else:
            limit = None if kind == "stock" else (141.0 if side == "BUY" else 139.0)
            world.place_order(client, number, request(side, size, limit))
    except BrokerError as error:
        assert error.code == 201, f"only money may stand in the way here, not {error}"


def _assert_adds_up(stage: Stage) -> None:
    world, heard = stage.world, stage.heard
    fills = heard.executions
    assert len({fill.exec_id for fill in fills}) == len(fills)
    positions: dict[int, float] = {}
    cash = 1_000_000.0
    for fill in fills:
        signed = fill.quantity if fill.side == "BOT" else -fill.quantity
        positions[fill.contract.con_id] = positions.get(fill.contract.con_id, 0.0) + signed
        cash -= signed * fill.price * fill.contract.multiplier_units
    fees = {arguments[1].exec_id: arguments[1].commission for arguments in heard.of("commission")}
    assert set(fees) == {fill.exec_id for fill in fills}, "each execution has its commission report, once"
    cash -= sum(fees.values())
    shown = {position.contract.con_id: position.quantity for position in world.positions(ACCOUNT)}
    assert shown == {con_id: quantity for con_id, quantity in positions.items() if quantity}
    values = {
        v.tag: float(v.value) for v in world.account_values(ACCOUNT) if v.currency == "USD" and v.tag != "Currency"
    }
    assert values["TotalCashValue"] == pytest.approx(cash, abs=0.01)
    total = values["TotalCashValue"] + values["StockMarketValue"] + values["OptionMarketValue"]
    assert values["NetLiquidation"] == pytest.approx(total, abs=0.02)
    portfolio = sum(item.market_value for item in world.portfolio(ACCOUNT))
    assert values["NetLiquidation"] - values["TotalCashValue"] == pytest.approx(portfolio, abs=0.05)
    profit = values["UnrealizedPnL"] + values["RealizedPnL"]
    assert values["NetLiquidation"] - 1_000_000 == pytest.approx(profit, abs=0.05), "profit is what equity gained"
    for order in world.completed_orders(False) + world.open_orders(None):
        assert order.filled == sum(fill.quantity for fill in fills if fill.perm_id == order.perm_id)


def test_profit_streams_agree_with_the_account(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path))
    stage.order(1, "BUY", 500)
    stage.until_done(1)
    stage.live(5.0)
    pnl = stage.world.pnl(ACCOUNT)
    single = stage.world.pnl_single(ACCOUNT, stage.world.universe.stock.con_id)
    assert single.quantity == 500
    assert single.daily == pytest.approx(pnl.daily, abs=0.02)
    assert single.unrealized == pytest.approx(pnl.unrealized, abs=0.02)
    assert stage.world.pnl_single(ACCOUNT, 1).daily is None


def test_values_are_sent_when_they_change_and_only_then(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path))
    stage.live(10.0)
    stage.heard.clear()
    stage.live(10.0)
    assert stage.heard.of("account_values") == [], "a flat account has nothing to say"
    stage.order(1, "BUY", 100)
    stage.until_done(1)
    tags = {value.tag for _, values in stage.heard.of("account_values") for value in values}
    assert {"NetLiquidation", "TotalCashValue", "StockMarketValue"} <= tags
    assert "AccountType" not in tags


def test_a_summary_gives_the_tags_it_knows(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path))
    found = stage.world.account_summary("All", ["NetLiquidation", "HighestSeverity", "$LEDGER:ALL"])
    assert ("NetLiquidation", "USD") in {(value.tag, value.currency) for value in found}
    assert ("CashBalance", "BASE") in {(value.tag, value.currency) for value in found}
    with pytest.raises(BrokerError) as refusal:
        stage.world.account_summary("Nobody", ["NetLiquidation"])
    assert refusal.value.code == 321


def test_expired_options_become_stock_at_their_strike(tmp_path: Path) -> None:
    weekly = "NVDA|OPT|20260508|130|C"
    accounts = [{"id": ACCOUNT, "cash": 1_000_000, "positions": [{"contract_key": weekly, "quantity": 2}]}]
    stage = Stage(scenario_file(tmp_path, always_open=False, accounts=accounts))
    before = stage.world.settlement.figures(ACCOUNT).net_liquidation
    stage.world.clock.step(30 * 3600.0)
    stage.live(0.2)
    (position,) = stage.world.positions(ACCOUNT)
    assert (position.contract.sec_type, position.quantity, position.avg_cost) == ("STK", 200, 130.0)
    spot = stage.world.board.quote(stage.world.universe.stock.con_id).mark
    assert spot is not None
    gained = 200 * (spot - 130.0)
    after = stage.world.settlement.figures(ACCOUNT)
    assert after.net_liquidation == pytest.approx(1_000_000 + gained, abs=1.0)
    assert after.net_liquidation != before
    stage.live(62.0, 1.0)
    assert stage.world.clock.over, "the last expiry held at the start ends the scenario"
    assert CLIENT not in {fill.client_id for fill in stage.heard.executions}
