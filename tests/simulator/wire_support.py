"""A world of one account, one stock and one option for tests of the wire alone, and an ib_insync that records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bifrost_simulator.api import (
    AccountValue,
    Bar,
    BarSeries,
    BrokerError,
    Commission,
    Contract,
    ContractDetails,
    ContractQuery,
    Direction,
    Execution,
    ExecutionFilter,
    HistoricalRequest,
    MarketDataType,
    OptionChain,
    OptionTick,
    OrderRequest,
    OrderState,
    OrderStatus,
    OrderView,
    Pnl,
    PnlSingle,
    PortfolioItem,
    Position,
    PriceIncrement,
    PriceTick,
    SizeTick,
    StringTick,
    SymbolSample,
    TickReqParams,
    TickType,
    WorldListener,
)
from bifrost_simulator.api.base import JournalledBurst
from bifrost_simulator.api.fine import (
    DepthExchange,
    DepthOperation,
    DepthRow,
    FineTick,
    HistoricalTicksRequest,
    MidTick,
    TickByTickType,
)
from bifrost_simulator.api.wire import OpenTap

ACCOUNT = "DU1234567"
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
STOCK = Contract(
    con_id=200_000_001,
    symbol="NVDA",
    sec_type="STK",
    exchange="SMART",
    primary_exchange="NASDAQ",
    local_symbol="NVDA",
    trading_class="NMS",
    contract_key="NVDA|STK|||",
)
OPTION = Contract(
    con_id=200_000_002,
    symbol="NVDA",
    sec_type="OPT",
    expiry="20260320",
    strike=140.0,
    right="C",
    multiplier="100",
    exchange="SMART",
    local_symbol="NVDA  260320C00140000",
    trading_class="NVDA",
    contract_key="NVDA|OPT|20260320|140|C",
)
BID, ASK = 140.0, 140.05


class RecordingJournal:
    """Keeps every message in memory."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int | None, str, dict[str, Any]]] = []

    def record(self, direction: Direction, client_id: int | None, message: str, fields: Mapping[str, object]) -> None:
        self.lines.append((direction.value, client_id, message, dict(fields)))

    def record_burst(self, client_id: int | None, req_id: int, burst: JournalledBurst) -> None:
        for message, values in zip(burst.names, burst.fields(req_id), strict=True):
            self.record(Direction.TO_CLIENT, client_id, message, values)

    def of(self, message: str) -> list[dict[str, Any]]:
        return [fields for _, _, name, fields in self.lines if name == message]


class FakeWorld:
    """Answers every call of the World protocol: market orders fill at once, limit orders rest."""

    tap = OpenTap()

    def __init__(self) -> None:
        self.journal = RecordingJournal()
        self.listener: WorldListener | None = None
        self.contracts = (STOCK, OPTION)
        self.orders: dict[tuple[int, int], OrderView] = {}
        self.fills: list[tuple[Execution, Commission]] = []
        self.subscribed: dict[tuple[int, int], Contract] = {}
        self.connected: list[int] = []
        self.shares = 0.0
        self.fail_on_positions = False

    def add_listener(self, listener: WorldListener) -> None:
        self.listener = listener

    @property
    def tell(self) -> WorldListener:
        assert self.listener is not None
        return self.listener

    # -- sessions

    def client_connected(self, client_id: int) -> None:
        self.connected.append(client_id)

    def client_disconnected(self, client_id: int) -> None:
        self.connected.remove(client_id)
        self.subscribed = {key: value for key, value in self.subscribed.items() if key[0] != client_id}

    def notices(self) -> tuple[BrokerError, ...]:
        return (BrokerError(2104, "Market data farm connection is OK:usfarm"),)

    def next_order_id(self, client_id: int) -> int:
        return max((order_id for owner, order_id in self.orders if owner == client_id), default=0) + 1

    def now(self) -> datetime:
        return START

    # -- contracts

    def contract_details(self, query: ContractQuery) -> tuple[ContractDetails, ...]:
        found = [
            contract
            for contract in self.contracts
            if query.con_id in (0, contract.con_id)
            and query.symbol in ("", contract.symbol)
            and query.sec_type in ("", contract.sec_type)
            and query.strike in (0.0, contract.strike)
        ]
        if not found:
            raise BrokerError(200, "No security definition has been found for the request")
        return tuple(details(contract) for contract in found)

    def qualify(self, query: ContractQuery) -> Contract:
        return self.contract_details(query)[0].contract

    def option_chains(self, underlying: str, exchange: str, sec_type: str, con_id: int) -> tuple[OptionChain, ...]:
        return (OptionChain("SMART", con_id, "NVDA", "100", ("20260320", "20260417"), (137.5, 140.0, 142.5)),)

    def matching_symbols(self, pattern: str) -> tuple[SymbolSample, ...]:
        return (SymbolSample(STOCK.con_id, "NVDA", "STK", "NASDAQ", "USD", ("OPT", "BAG"), "NVIDIA CORP", "e1"),)

    def market_rule(self, rule_id: int) -> tuple[PriceIncrement, ...]:
        return (PriceIncrement(0.0, 0.01), PriceIncrement(3.0, 0.05))

    # -- market data

    def set_market_data_type(self, client_id: int, data_type: int) -> None:
        if data_type not in tuple(MarketDataType):
            raise BrokerError(321, f"market data type {data_type} is none of 1 to 4")

    def subscribe(
        self,
        client_id: int,
        req_id: int,
        query: ContractQuery,
        generic_ticks: Sequence[int] = (),
        snapshot: bool = False,
        regulatory: bool = False,
    ) -> None:
        contract = self.qualify(query)
        self.tell.on_tick_req_params(client_id, req_id, TickReqParams(0.01, "9c0001", 3))
        self.tell.on_market_data_type(client_id, req_id, MarketDataType.LIVE)
        self.subscribed[client_id, req_id] = contract
        self.publish(client_id, req_id, contract)
        if snapshot:
            del self.subscribed[client_id, req_id]
            self.tell.on_snapshot_end(client_id, req_id)

    def publish(self, client_id: int, req_id: int, contract: Contract) -> None:
        bid, ask = (BID, ASK) if contract is STOCK else (5.0, 5.1)
        ticks: list[Any] = [
            PriceTick(TickType.BID, bid, 300),
            PriceTick(TickType.ASK, ask, 200),
            SizeTick(TickType.VOLUME, 123_456),
            StringTick(TickType.LAST_TIMESTAMP, "1772463600"),
        ]
        if contract is OPTION:
            ticks.append(OptionTick(TickType.MODEL_OPTION, 0.45, 0.52, 5.05, 0.0, 0.021, 0.11, -0.2, 140.02))
        self.tell.on_ticks(client_id, req_id, ticks)

    def unsubscribe(self, client_id: int, req_id: int) -> None:
        if self.subscribed.pop((client_id, req_id), None) is None:
            raise BrokerError(300, f"Can't find EId with tickerId:{req_id}")

    def historical_bars(self, client_id: int, req_id: int, request: HistoricalRequest) -> BarSeries:
        bars = tuple(
            Bar(START - timedelta(minutes=3 - minute), 140 + minute, 141.5, 139.25, 140.5, 1000, 140.2, 12)
            for minute in range(3)
        )
        return BarSeries(START - timedelta(days=1), START, bars)

    def cancel_historical(self, client_id: int, req_id: int) -> None:
        self.subscribed.pop((client_id, req_id), None)

    def head_timestamp(self, query: ContractQuery, what_to_show: str, use_rth: bool) -> datetime:
        return START - timedelta(days=365)

    def subscribe_real_time_bars(
        self, client_id: int, req_id: int, query: ContractQuery, what_to_show: str, use_rth: bool
    ) -> None:
        self.tell.on_real_time_bar(client_id, req_id, Bar(START, 140, 141, 139, 140.5, 50, 140.2, 3))

    def cancel_real_time_bars(self, client_id: int, req_id: int) -> None:
        self.subscribed.pop((client_id, req_id), None)

    def implied_volatility(self, query: ContractQuery, option_price: float, underlying_price: float) -> OptionTick:
        return OptionTick(TickType.MODEL_OPTION, 0.4, 0.5, option_price, 0, 0.02, 0.1, -0.1, underlying_price)

    def option_price(self, query: ContractQuery, iv_annual: float, underlying_price: float) -> OptionTick:
        return OptionTick(TickType.MODEL_OPTION, iv_annual, 0.5, 5.5, 0, 0.02, 0.1, -0.1, underlying_price)

    def subscribe_depth(self, client_id: int, req_id: int, query: ContractQuery, smart: bool) -> None:
        self.subscribed[client_id, req_id] = self.qualify(query)
        row = DepthRow(0, DepthOperation.INSERT, True, BID, 300, "NASDAQ", smart)
        self.tell.on_depth(client_id, req_id, row)

    def cancel_depth(self, client_id: int, req_id: int) -> None:
        self.unsubscribe(client_id, req_id)

    def depth_exchanges(self) -> tuple[DepthExchange, ...]:
        return (DepthExchange("NASDAQ", "STK"),)

    def subscribe_tick_by_tick(self, client_id: int, req_id: int, query: ContractQuery, kind: str) -> None:
        self.subscribed[client_id, req_id] = self.qualify(query)
        tick = MidTick(int(START.timestamp()), (BID + ASK) / 2)
        self.tell.on_tick_by_tick(client_id, req_id, TickByTickType.MID_POINT, tick)

    def cancel_tick_by_tick(self, client_id: int, req_id: int) -> None:
        self.unsubscribe(client_id, req_id)

    def historical_ticks(self, request: HistoricalTicksRequest) -> tuple[FineTick, ...]:
        self.qualify(request.contract)
        return (MidTick(int(START.timestamp()), (BID + ASK) / 2),)

    # -- accounts

    def accounts(self) -> tuple[str, ...]:
        return (ACCOUNT,)

    def account_values(self, account: str) -> tuple[AccountValue, ...]:
        return (
            AccountValue(ACCOUNT, "NetLiquidation", "1000000.00", "USD"),
            AccountValue(ACCOUNT, "AccountType", "INDIVIDUAL", ""),
        )

    def account_summary(self, group: str, tags: Sequence[str]) -> tuple[AccountValue, ...]:
        if group != "All":
            raise BrokerError(321, f"group {group!r} is unknown")
        return tuple(value for value in self.account_values(ACCOUNT) if value.tag in tags)

    def positions(self, account: str = "") -> tuple[Position, ...]:
        if self.fail_on_positions:
            raise RuntimeError("a defect in the world")
        held = (Position(ACCOUNT, OPTION, 20.0, 505.0),)
        return held + ((Position(ACCOUNT, STOCK, self.shares, ASK),) if self.shares else ())

    def portfolio(self, account: str) -> tuple[PortfolioItem, ...]:
        return (PortfolioItem(ACCOUNT, OPTION, 20.0, 5.05, 10_100.0, 505.0, 0.0, 0.0),)

    def pnl(self, account: str) -> Pnl:
        return Pnl(12.5, None, 3.25)

    def pnl_single(self, account: str, con_id: int) -> PnlSingle:
        return PnlSingle(20.0, 12.5, 1.0, None, 10_100.0)

    # -- orders

    def place_order(self, client_id: int, order_id: int, request: OrderRequest) -> None:
        contract = self.qualify(request.contract)
        if request.quantity <= 0:
            raise BrokerError(201, "Order rejected - reason:quantity must be above 0")
        known = self.orders.get((client_id, order_id))
        perm_id = known.perm_id if known else 1_000 + len(self.orders)
        order = OrderView(
            client_id, order_id, perm_id, contract, request, OrderStatus.SUBMITTED, 0, request.quantity, 0, 0
        )
        if request.what_if:
            self.tell.on_what_if(client_id, order, OrderState(0, 0, 1e6, 7000.5, 7000, 0, 7000.5, 7000, 1e6, 1, 1, 2))
            return
        self.orders[client_id, order_id] = order
        self.tell.on_open_order(client_id, order)
        self.tell.on_order_status(client_id, order)
        if request.order_type == "MKT":
            self.fill(order)

    def fill(self, order: OrderView) -> None:
        quantity = order.request.quantity
        execution = Execution(
            exec_id=f"0000e0d5.{len(self.fills):08x}.01.01",
            contract=order.contract,
            account=ACCOUNT,
            side="BOT" if order.request.action == "BUY" else "SLD",
            quantity=quantity,
            price=ASK,
            time=START,
            exchange="ISLAND",
            client_id=order.client_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            order_ref=order.request.order_ref,
            cumulative=quantity,
            avg_price=ASK,
        )
        commission = Commission(execution.exec_id, 1.0, "USD", None)
        self.fills.append((execution, commission))
        self.shares += quantity if execution.side == "BOT" else -quantity
        done = replace(
            order, status=OrderStatus.FILLED, filled=quantity, remaining=0.0, avg_fill_price=ASK,
            last_fill_price=ASK, completed_at=START, completed_status=f"Filled Size: {quantity:g}",
        )  # fmt: skip
        self.orders[order.client_id, order.order_id] = done
        self.tell.on_execution(order.client_id, execution)
        self.tell.on_open_order(order.client_id, done)
        self.tell.on_order_status(order.client_id, done)
        self.tell.on_commission(order.client_id, commission)
        self.tell.on_position(self.positions()[-1])
        self.tell.on_flush()

    def cancel_order(self, client_id: int, order_id: int) -> None:
        order = self.orders.get((client_id, order_id))
        if order is None:
            raise BrokerError(10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        if order.status.is_done:
            raise BrokerError(10148, f"OrderId {order_id} cannot be cancelled, state: {order.status}.")
        self.orders[client_id, order_id] = gone = replace(order, status=OrderStatus.CANCELLED)
        self.tell.on_order_status(client_id, gone)
        self.tell.on_error(client_id, order_id, BrokerError(202, "Order Canceled - reason:"))

    def global_cancel(self, client_id: int) -> None:
        for order in self.open_orders(None):
            self.cancel_order(order.client_id, order.order_id)

    def bind_manual_orders(self, client_id: int, auto_bind: bool) -> None:
        self.auto_bind = auto_bind

    def open_orders(self, client_id: int | None) -> tuple[OrderView, ...]:
        return tuple(
            order for order in self.orders.values() if not order.status.is_done and client_id in (None, order.client_id)
        )

    def completed_orders(self, api_only: bool) -> tuple[OrderView, ...]:
        return tuple(order for order in self.orders.values() if order.status.is_done)

    def executions(self, filter_: ExecutionFilter) -> tuple[tuple[Execution, Commission | None], ...]:
        return tuple(fill for fill in self.fills if filter_.client_id in (0, fill[0].client_id))


def details(contract: Contract) -> ContractDetails:
    """Full details, with every text that clients parse."""
    return ContractDetails(
        contract=contract,
        market_name="NMS",
        min_tick=0.01,
        order_types="ACTIVETIM,LMT,MKT",
        valid_exchanges="SMART,ISLAND",
        long_name="NVIDIA CORP – café",
        trading_hours="20260302:0400-20260302:2000",
        liquid_hours="20260302:0930-20260302:1600",
        under_con_id=STOCK.con_id if contract is OPTION else 0,
        contract_month="202603" if contract is OPTION else "",
        industry="Technology",
        sec_ids=(("ISIN", "US67066G1040"),),
        under_symbol="NVDA" if contract is OPTION else "",
        under_sec_type="STK" if contract is OPTION else "",
        market_rule_ids="26,26",
        real_expiration=contract.expiry,
        stock_type="COMMON",
    )


async def until(condition: Callable[[], Any], limit_s: float = 5.0, what: str = "the condition") -> None:
    """Wait for ``condition`` to hold; fails after ``limit_s``."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not come within {limit_s} s"
        await asyncio.sleep(0.005)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run one async test."""

    async def wrapped() -> None:
        await main()

    asyncio.run(wrapped())
