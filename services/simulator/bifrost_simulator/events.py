"""The way from the world to its clients: every event passes here, so faults can hold, mute or cut it in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bifrost_simulator.api import (
    AccountValue,
    Bar,
    BarSeries,
    BrokerError,
    Commission,
    Execution,
    MarketDataType,
    OrderState,
    OrderView,
    PortfolioItem,
    Position,
    Tick,
    TickReqParams,
    WorldListener,
)
from bifrost_simulator.api.fine import DepthRow, FineTick, TickByTickType

_Call = Callable[[WorldListener], None]


class OrderWord(StrEnum):
    """What a client is told of an order."""

    OPEN_ORDER = "open_order"
    STATUS = "status"
    EXECUTION = "execution"
    COMMISSION = "commission"
    ERROR = "error"


@dataclass(slots=True)
class _HeldOrder:
    words: frozenset[OrderWord]
    waiting: list[_Call] = field(default_factory=list)


class Dispatcher:
    """Hands events to the listeners.

    While `cut` (connectivity between gateway and broker lost, 1100) market data is dropped and what belongs to orders
    and accounts waits; `restore` lets it go in order. Muted orders (fault ``ack_lost``) send nothing until a client
    asks for them. Of a held order some words wait until `release` (faults ``ack_slow``, ``exec_before_status``).
    """

    def __init__(self) -> None:
        self._listeners: list[WorldListener] = []
        self._waiting: list[_Call] = []
        self._muted: set[int] = set()
        self._held: dict[int, _HeldOrder] = {}
        self._dirty = False
        self.cut = False

    def add(self, listener: WorldListener) -> None:
        self._listeners.append(listener)

    def restore(self) -> None:
        """End the cut: everything that waited goes out."""
        self.cut = False
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._now(call)

    def mute(self, perm_id: int) -> None:
        self._muted.add(perm_id)

    def hold(self, perm_id: int, words: frozenset[OrderWord]) -> None:
        """Keep these words about an order until `release`."""
        self._held[perm_id] = _HeldOrder(words)

    def release(self, perm_id: int) -> None:
        """Say in order what was kept of an order."""
        held = self._held.pop(perm_id, None)
        for call in held.waiting if held is not None else ():
            self._or_wait(call)

    def unmute(self, perm_id: int) -> None:
        self._muted.discard(perm_id)

    @property
    def muted(self) -> frozenset[int]:
        return frozenset(self._muted)

    def flush(self) -> None:
        """End of a burst; nothing happens when nothing was sent since the last one."""
        if self._dirty:
            self._dirty = False
            for listener in self._listeners:
                listener.on_flush()

    # -- market data: lost while cut

    def ticks(self, client_id: int, req_id: int, ticks: Sequence[Tick]) -> None:
        # Written out and not handed on as a call: thousands a second pass here.
        if ticks and not self.cut:
            self._dirty = True
            for listener in self._listeners:
                listener.on_ticks(client_id, req_id, ticks)

    def tick_req_params(self, client_id: int, req_id: int, params: TickReqParams) -> None:
        self._unless_cut(lambda to: to.on_tick_req_params(client_id, req_id, params))

    def market_data_type(self, client_id: int, req_id: int, data_type: MarketDataType) -> None:
        self._unless_cut(lambda to: to.on_market_data_type(client_id, req_id, data_type))

    def snapshot_end(self, client_id: int, req_id: int) -> None:
        self._unless_cut(lambda to: to.on_snapshot_end(client_id, req_id))

    def bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        self._unless_cut(lambda to: to.on_bar(client_id, req_id, bar))

    def historical_bars(self, client_id: int, req_id: int, series: BarSeries, kept: bool) -> None:
        self._unless_cut(lambda to: to.on_historical_bars(client_id, req_id, series, kept))

    def real_time_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        self._unless_cut(lambda to: to.on_real_time_bar(client_id, req_id, bar))

    def depth(self, client_id: int, req_id: int, row: DepthRow) -> None:
        self._unless_cut(lambda to: to.on_depth(client_id, req_id, row))

    def tick_by_tick(self, client_id: int, req_id: int, kind: TickByTickType, tick: FineTick) -> None:
        self._unless_cut(lambda to: to.on_tick_by_tick(client_id, req_id, kind, tick))

    # -- orders and accounts: wait while cut

    def open_order(self, order: OrderView) -> None:
        self._of_order(order.perm_id, OrderWord.OPEN_ORDER, lambda to: to.on_open_order(order.client_id, order))

    def order_status(self, order: OrderView) -> None:
        self._of_order(order.perm_id, OrderWord.STATUS, lambda to: to.on_order_status(order.client_id, order))

    def what_if(self, order: OrderView, state: OrderState) -> None:
        self._or_wait(lambda to: to.on_what_if(order.client_id, order, state))

    def execution(self, execution: Execution) -> None:
        self._of_order(
            execution.perm_id, OrderWord.EXECUTION, lambda to: to.on_execution(execution.client_id, execution)
        )

    def commission(self, client_id: int, perm_id: int, commission: Commission) -> None:
        self._of_order(perm_id, OrderWord.COMMISSION, lambda to: to.on_commission(client_id, commission))

    def order_error(self, client_id: int, order_id: int, perm_id: int, error: BrokerError) -> None:
        """An error or warning about an order, in line with its statuses."""
        self._of_order(perm_id, OrderWord.ERROR, lambda to: to.on_error(client_id, order_id, error))

    def position(self, position: Position) -> None:
        self._or_wait(lambda to: to.on_position(position))

    def portfolio(self, item: PortfolioItem) -> None:
        self._or_wait(lambda to: to.on_portfolio(item))

    def account_values(self, account: str, values: Sequence[AccountValue]) -> None:
        if values:
            self._or_wait(lambda to: to.on_account_values(account, values))

    def marks(self) -> None:
        self._unless_cut(lambda to: to.on_marks())

    # -- the gateway itself: always

    def error(self, client_id: int | None, req_id: int, error: BrokerError) -> None:
        self._now(lambda to: to.on_error(client_id, req_id, error))

    def drop(self, client_id: int | None, reason: str) -> None:
        self._now(lambda to: to.on_drop(client_id, reason))

    def _of_order(self, perm_id: int, word: OrderWord, call: _Call) -> None:
        if perm_id in self._muted:
            return
        held = self._held.get(perm_id)
        if held is not None and word in held.words:
            held.waiting.append(call)
        else:
            self._or_wait(call)

    def _now(self, call: _Call) -> None:
        self._dirty = True
        for listener in self._listeners:
            call(listener)

    def _unless_cut(self, call: _Call) -> None:
        if not self.cut:
            self._now(call)

    def _or_wait(self, call: _Call) -> None:
        if self.cut:
            self._waiting.append(call)
        else:
            self._now(call)
