"""A world for tests: a scenario in a line, a listener that keeps what it hears, wall time moved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from bifrost.config import load_scenario
from bifrost_simulator.api import (
    AccountValue,
    Bar,
    BarSeries,
    BrokerError,
    Commission,
    ContractQuery,
    Execution,
    HistoricalRequest,
    MarketDataType,
    OrderRequest,
    OrderState,
    OrderStatus,
    OrderView,
    PortfolioItem,
    Position,
    Tick,
    TickReqParams,
)
from bifrost_simulator.api.fine import DepthRow, FineTick, TickByTickType
from bifrost_simulator.build import build_world
from bifrost_simulator.state import StateStore
from bifrost_simulator.world import SimulatedWorld

ACCOUNT = "DU1234567"
STOCK = ContractQuery(symbol="NVDA", sec_type="STK", exchange="SMART", currency="USD")
CLIENT = 1


class Heard:
    """A `WorldListener` that keeps (event, arguments) in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[Any, ...]]] = []

    def _keep(self, name: str, *arguments: Any) -> None:
        self.events.append((name, arguments))

    def on_ticks(self, client_id: int, req_id: int, ticks: Sequence[Tick]) -> None:
        self._keep("ticks", client_id, req_id, list(ticks))

    def on_tick_req_params(self, client_id: int, req_id: int, params: TickReqParams) -> None:
        self._keep("tick_req_params", client_id, req_id, params)

    def on_market_data_type(self, client_id: int, req_id: int, data_type: MarketDataType) -> None:
        self._keep("market_data_type", client_id, req_id, data_type)

    def on_snapshot_end(self, client_id: int, req_id: int) -> None:
        self._keep("snapshot_end", client_id, req_id)

    def on_open_order(self, client_id: int, order: OrderView) -> None:
        self._keep("open_order", client_id, order)

    def on_order_status(self, client_id: int, order: OrderView) -> None:
        self._keep("order_status", client_id, order)

    def on_what_if(self, client_id: int, order: OrderView, state: OrderState) -> None:
        self._keep("what_if", client_id, order, state)

    def on_execution(self, client_id: int, execution: Execution) -> None:
        self._keep("execution", client_id, execution)

    def on_commission(self, client_id: int, commission: Commission) -> None:
        self._keep("commission", client_id, commission)

    def on_position(self, position: Position) -> None:
        self._keep("position", position)

    def on_portfolio(self, item: PortfolioItem) -> None:
        self._keep("portfolio", item)

    def on_account_values(self, account: str, values: Sequence[AccountValue]) -> None:
        self._keep("account_values", account, list(values))

    def on_marks(self) -> None:
        self._keep("marks")

    def on_historical_bars(self, client_id: int, req_id: int, series: BarSeries, kept: bool) -> None:
        self._keep("historical_bars", client_id, req_id, series, kept)

    def on_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        self._keep("bar", client_id, req_id, bar)

    def on_real_time_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        self._keep("real_time_bar", client_id, req_id, bar)

    def on_depth(self, client_id: int, req_id: int, row: DepthRow) -> None:
        self._keep("depth", client_id, req_id, row)

    def on_tick_by_tick(self, client_id: int, req_id: int, kind: TickByTickType, tick: FineTick) -> None:
        self._keep("tick_by_tick", client_id, req_id, kind, tick)

    def on_error(self, client_id: int | None, req_id: int, error: BrokerError) -> None:
        self._keep("error", client_id, req_id, error.code)

    def on_drop(self, client_id: int | None, reason: str) -> None:
        self._keep("drop", client_id, reason)

    def on_flush(self) -> None:
        self._keep("flush")

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for event, arguments in self.events if event == name]

    @property
    def executions(self) -> list[Execution]:
        return [arguments[1] for arguments in self.of("execution")]

    @property
    def statuses(self) -> list[OrderStatus]:
        return [arguments[1].status for arguments in self.of("order_status")]

    @property
    def errors(self) -> list[int]:
        return [arguments[2] for arguments in self.of("error")]

    def ticks_of(self, req_id: int) -> list[Tick]:
        return [tick for _, req, ticks in self.of("ticks") if req == req_id for tick in ticks]

    def clear(self) -> None:
        self.events.clear()


def scenario_file(folder: Path, **changes: Any) -> Path:
    """A small always-open generated scenario with ``changes``; None removes a key."""
    content: dict[str, Any] = {
        "market": "generated",
        "seed": 7,
        "symbol": "NVDA",
        "start": "2026-05-07 10:00:00",
        "speed": 1,
        "always_open": True,
        "accounts": [{"id": ACCOUNT, "cash": 1_000_000}],
        "generated": {"spot": 140.0, "volatility": 0.35, "size_lots": 3, "jumps_per_day": 0},
        **changes,
    }
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return file


class Stage:
    """A world with a listener and a hand on the wall clock."""

    def __init__(self, file: Path, state: Path | None = None) -> None:
        self.scenario = load_scenario(file)
        self.world: SimulatedWorld = build_world(self.scenario, StateStore(state) if state is not None else None)
        self.heard = Heard()
        self.world.add_listener(self.heard)
        self.wall_s = 0.0
        self.world.step(0.0)

    def live(self, wall_s: float, step_s: float = 0.05) -> None:
        """Let ``wall_s`` seconds of wall time pass."""
        end = self.wall_s + wall_s
        while self.wall_s < end - 1e-9:
            self.wall_s = min(end, self.wall_s + step_s)
            self.world.step(self.wall_s)

    def order(self, order_id: int, action: str, quantity: float, limit: float | None = None, **changes: Any) -> None:
        """Place an order of client 1 for the stock, or for ``contract``."""
        self.world.place_order(CLIENT, order_id, request(action, quantity, limit, **changes))

    def bars(self, request: HistoricalRequest, req_id: int = 5, limit_s: float = 60.0) -> BarSeries:
        """The answer to a request of bars, also when it takes a while."""
        series = self.world.historical_bars(CLIENT, req_id, request)
        deadline = self.wall_s + limit_s
        while series is None and self.wall_s < deadline:
            self.live(0.05)
            series = next((args[2] for args in self.heard.of("historical_bars") if args[1] == req_id), None)
        assert series is not None, f"no answer to {request} within {limit_s:g} wall seconds"
        return series

    def until_done(self, order_id: int, limit_s: float = 60.0) -> OrderView:
        """Live until the order has ended."""
        deadline = self.wall_s + limit_s
        while self.wall_s < deadline:
            order = self.world.book.find(CLIENT, order_id)
            assert order is not None, f"order {order_id} is not in the book"
            if not order.is_open:
                return order.view()
            self.live(0.1)
        raise AssertionError(f"order {order_id} has not ended within {limit_s:g} wall seconds")


def request(action: str, quantity: float, limit: float | None = None, **changes: Any) -> OrderRequest:
    """A stock order, market unless ``limit`` is given."""
    given: dict[str, Any] = {
        "contract": STOCK,
        "action": action,
        "quantity": quantity,
        "order_type": "MKT" if limit is None else "LMT",
        "limit_price": limit,
        "tif": "DAY",
        "account": ACCOUNT,
        **changes,
    }
    return OrderRequest(**given)


def refused(action: Any, *arguments: Any) -> BrokerError:
    """The error that ``action`` raises."""
    try:
        action(*arguments)
    except BrokerError as error:
        return error
    raise AssertionError("nothing was refused")
