"""The two Protocols: the world as the wire sees it, and the wire as the world calls it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bifrost_simulator.api.accounts import AccountValue, Pnl, PnlSingle, PortfolioItem, Position
from bifrost_simulator.api.base import BrokerError, Journal
from bifrost_simulator.api.contracts import (
    Contract,
    ContractDetails,
    ContractQuery,
    OptionChain,
    PriceIncrement,
    SymbolSample,
)
from bifrost_simulator.api.fine import DepthExchange, DepthRow, FineTick, HistoricalTicksRequest, TickByTickType
from bifrost_simulator.api.market import (
    Bar,
    BarSeries,
    HistoricalRequest,
    MarketDataType,
    OptionTick,
    Tick,
    TickReqParams,
)
from bifrost_simulator.api.orders import Commission, Execution, ExecutionFilter, OrderRequest, OrderState, OrderView
from bifrost_simulator.api.wire import WireTap


class WorldListener(Protocol):
    """What the world tells the wire. ``client_id`` None means every connected client.

    Calls come in the order in which the frames must leave; `on_flush` ends a burst, so the wire can write once.
    """

    def on_ticks(self, client_id: int, req_id: int, ticks: Sequence[Tick]) -> None: ...
    def on_tick_req_params(self, client_id: int, req_id: int, params: TickReqParams) -> None: ...
    def on_market_data_type(self, client_id: int, req_id: int, data_type: MarketDataType) -> None: ...
    def on_snapshot_end(self, client_id: int, req_id: int) -> None: ...
    def on_open_order(self, client_id: int, order: OrderView) -> None: ...
    def on_order_status(self, client_id: int, order: OrderView) -> None: ...
    def on_what_if(self, client_id: int, order: OrderView, state: OrderState) -> None: ...
    def on_execution(self, client_id: int, execution: Execution) -> None: ...
    def on_commission(self, client_id: int, commission: Commission) -> None: ...

    def on_position(self, position: Position) -> None:
        """A position changed: goes to clients subscribed to positions (61) or to that account's (71)."""
        ...

    def on_portfolio(self, item: PortfolioItem) -> None:
        """A position or its mark changed: to clients with reqAccountUpdates of that account."""
        ...

    def on_account_values(self, account: str, values: Sequence[AccountValue]) -> None:
        """Values that changed: to subscribers of account updates, multi and summary."""
        ...

    def on_marks(self) -> None:
        """Marks moved (at most about once a wall second): the wire re-reads `pnl`/`pnl_single` for its streams."""
        ...

    def on_historical_bars(self, client_id: int, req_id: int, series: BarSeries, kept: bool) -> None:
        """The answer to a request of bars that took longer (message 17); ``kept`` when `on_bar` goes on with it."""
        ...

    def on_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        """A keepUpToDate bar (message 90): the running one again or the next."""
        ...

    def on_real_time_bar(self, client_id: int, req_id: int, bar: Bar) -> None: ...

    def on_depth(self, client_id: int, req_id: int, row: DepthRow) -> None: ...
    def on_tick_by_tick(self, client_id: int, req_id: int, kind: TickByTickType, tick: FineTick) -> None: ...

    def on_error(self, client_id: int | None, req_id: int, error: BrokerError) -> None:
        """An error or notice frame; ``req_id`` -1 for system messages (1100, 2104, ...), else order or request id."""
        ...

    def on_drop(self, client_id: int | None, reason: str) -> None:
        """Close the sockets (fault `disconnect`, nightly restart); queued frames go out first."""
        ...

    def on_flush(self) -> None: ...


class World(Protocol):
    """The simulated broker and market, as the wire sees them."""

    @property
    def journal(self) -> Journal: ...

    @property
    def tap(self) -> WireTap:
        """What the gateway asks before each message."""
        ...

    def add_listener(self, listener: WorldListener) -> None: ...

    # -- sessions
    def client_connected(self, client_id: int) -> None:
        """A client finished startApi. Raises 326 when a fault says that the id is taken.

        The wire itself refuses an id that another socket holds. After this call it sends 15 and 9, then `notices`.
        """
        ...

    def client_disconnected(self, client_id: int) -> None:
        """Its subscriptions end; its orders stay."""
        ...

    def notices(self) -> tuple[BrokerError, ...]:
        """Farm notices (2104, 2106, 2158) or their broken forms, sent with reqId -1 after the handshake."""
        ...

    def next_order_id(self, client_id: int) -> int:
        """First order id that this client never used."""
        ...

    def now(self) -> datetime:
        """Market time, aware UTC."""
        ...

    # -- contracts
    def contract_details(self, query: ContractQuery) -> tuple[ContractDetails, ...]:
        """Every contract that matches; raises 200 when none does."""
        ...

    def qualify(self, query: ContractQuery) -> Contract:
        """The one contract meant; raises 200 when none or several match."""
        ...

    def option_chains(self, underlying: str, exchange: str, sec_type: str, con_id: int) -> tuple[OptionChain, ...]: ...
    def matching_symbols(self, pattern: str) -> tuple[SymbolSample, ...]: ...
    def market_rule(self, rule_id: int) -> tuple[PriceIncrement, ...]:
        """Raises 321 for an unknown rule."""
        ...

    # -- market data
    def set_market_data_type(self, client_id: int, data_type: int) -> None:
        """For subscriptions made from now on. Raises 321 when not 1..4."""
        ...

    def subscribe(
        self,
        client_id: int,
        req_id: int,
        query: ContractQuery,
        generic_ticks: Sequence[int] = (),
        snapshot: bool = False,
        regulatory: bool = False,
    ) -> None:
        """Start a stream (or a snapshot that ends with `on_snapshot_end`); raises 200, 101, 322, 354."""
        ...

    def unsubscribe(self, client_id: int, req_id: int) -> None:
        """Raises 300 when there is no such subscription."""
        ...

    def historical_bars(self, client_id: int, req_id: int, request: HistoricalRequest) -> BarSeries | None:
        """Bars from the world's own tape, oldest first; raises 162, 200, 321. keepUpToDate continues by `on_bar`.

        None when putting them together takes longer: they come by `on_historical_bars`, or an error does.
        """
        ...

    def cancel_historical(self, client_id: int, req_id: int) -> None: ...
    def head_timestamp(self, query: ContractQuery, what_to_show: str, use_rth: bool) -> datetime: ...
    def subscribe_real_time_bars(
        self, client_id: int, req_id: int, query: ContractQuery, what_to_show: str, use_rth: bool
    ) -> None: ...
    def cancel_real_time_bars(self, client_id: int, req_id: int) -> None: ...
    def subscribe_depth(self, client_id: int, req_id: int, query: ContractQuery, smart: bool) -> None:
        """Rows of the order book by `on_depth`; raises 200, 309, 322."""
        ...

    def cancel_depth(self, client_id: int, req_id: int) -> None:
        """Raises 310 when there is no such book."""
        ...

    def depth_exchanges(self) -> tuple[DepthExchange, ...]: ...
    def subscribe_tick_by_tick(self, client_id: int, req_id: int, query: ContractQuery, kind: str) -> None:
        """Ticks one by one by `on_tick_by_tick`; raises 200, 321, 322, 10190."""
        ...

    def cancel_tick_by_tick(self, client_id: int, req_id: int) -> None:
        """Raises 300 when there is no such stream."""
        ...

    def historical_ticks(self, request: HistoricalTicksRequest) -> tuple[FineTick, ...]:
        """Ticks of one kind, oldest first, at least one; raises 162, 200, 321."""
        ...

    def implied_volatility(self, query: ContractQuery, option_price: float, underlying_price: float) -> OptionTick: ...
    def option_price(self, query: ContractQuery, iv_annual: float, underlying_price: float) -> OptionTick: ...

    # -- accounts
    def accounts(self) -> tuple[str, ...]: ...
    def account_values(self, account: str) -> tuple[AccountValue, ...]:
        """All values of reqAccountUpdates; empty account = the only one. Raises 321 for an unknown account."""
        ...

    def account_summary(self, group: str, tags: Sequence[str]) -> tuple[AccountValue, ...]:
        """Values of the tags for the group's accounts (``All``). Raises 321 for an unknown group or tag."""
        ...

    def positions(self, account: str = "") -> tuple[Position, ...]: ...
    def portfolio(self, account: str) -> tuple[PortfolioItem, ...]: ...
    def pnl(self, account: str) -> Pnl: ...
    def pnl_single(self, account: str, con_id: int) -> PnlSingle: ...

    # -- orders
    def place_order(self, client_id: int, order_id: int, request: OrderRequest) -> None:
        """Accept, modify (same client and order id) or answer a what-if; events tell the rest. Raises on reject."""
        ...

    def cancel_order(self, client_id: int, order_id: int) -> None:
        """Raises 10147 (unknown) or 10148 (cannot be cancelled, with its state)."""
        ...

    def global_cancel(self, client_id: int) -> None: ...
    def bind_manual_orders(self, client_id: int, auto_bind: bool) -> None:
        """reqAutoOpenOrders of client 0."""
        ...

    def open_orders(self, client_id: int | None) -> tuple[OrderView, ...]:
        """Open orders of one client, or of all (None), in the order in which they were placed."""
        ...

    def completed_orders(self, api_only: bool) -> tuple[OrderView, ...]: ...
    def executions(self, filter_: ExecutionFilter) -> tuple[tuple[Execution, Commission | None], ...]:
        """Executions of the current market day and the day before, oldest first, with their commission if known."""
        ...
