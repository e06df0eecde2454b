"""The simulated broker and market: one synchronous core that implements `bifrost_simulator.api.World`.

It reads no clock and opens no socket. Whoever drives it calls `step` with the wall's monotonic seconds; the wire and
the admin API call the rest from the same thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bifrost_simulator.api import (
    BrokerError,
    Commission,
    Execution,
    ExecutionFilter,
    OrderRequest,
    OrderView,
    WorldListener,
)
from bifrost_simulator.api.wire import WireTap
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.book import Book, fits
from bifrost_simulator.broker.broker import MANUAL_CLIENT, Broker
from bifrost_simulator.broker.expiry import settle_expired
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.faults import ActiveFaults, BadParameters, WorldHooks
from bifrost_simulator.faults.connection import LOST
from bifrost_simulator.feed import Feed
from bifrost_simulator.history import History, parse_end
from bifrost_simulator.hours import Hours
from bifrost_simulator.journal import MessageJournal
from bifrost_simulator.market.base import Market
from bifrost_simulator.requests import AccountRequests, MarketRequests
from bifrost_simulator.scenario import ScriptedFault
from bifrost_simulator.tick_streams import TickStreams
from bifrost_simulator.universe import Universe

if TYPE_CHECKING:
    from bifrost_simulator.build import Saver

log = logging.getLogger(__name__)

MARKS_EVERY_WALL_S = 1.0
ACCOUNTS_EVERY_WALL_S = 3.0
_FARMS = (
    BrokerError(2104, "Market data farm connection is OK:usfarm"),
    BrokerError(2106, "HMDS data farm connection is OK:ushmds"),
    BrokerError(2158, "Sec-def data farm connection is OK:secdefnj"),
)


class SimulatedWorld(MarketRequests, AccountRequests):
    """Everything behind the gateway. Built by `bifrost_simulator.build.build_world`."""

    def __init__(
        self,
        *,
        clock: SimClock,
        hours: Hours,
        market: Market,
        universe: Universe,
        board: QuoteBoard,
        book: Book,
        settlement: Settlement,
        dispatcher: Dispatcher,
        journal: MessageJournal,
        lines: int,
        script: Sequence[ScriptedFault] = (),
        script_position: int = 0,
        day: str = "",
    ) -> None:
        self.clock = clock
        self.hours = hours
        self.market = market
        self.universe = universe
        self.board = board
        self.book = book
        self.settlement = settlement
        self.dispatcher = dispatcher
        self.faults = ActiveFaults()
        self.wall_s = 0.0
        self.changed = True
        self.day = day
        self.script = tuple(script)
        self.script_position = script_position
        self.clients: set[int] = set()
        self._journal = journal
        self._parked: list[Callable[[], None]] = []
        self._on_commit: Callable[[], None] | None = None
        self.saver: Saver | None = None
        self._next_marks_s = 0.0
        self._next_accounts_s = 0.0
        self.hooks = hooks = WorldHooks(self, self.faults)
        board.disturb, settlement.delayed_s = hooks.quote, hooks.commission_delay_s
        self.feed = Feed(market, universe, board, dispatcher, lines, hooks.holds_quotes)
        self.feed.hooks = hooks
        self.ticks = TickStreams(board, dispatcher, hooks.holds_quotes)
        self.history = History(market, hours, dispatcher)
        self.broker = Broker(book, settlement, board, market, universe, hours, clock, dispatcher, hooks)
        board.watch(universe.stock)  # the account's figures need spot

    # -- driving

    @property
    def journal(self) -> MessageJournal:
        return self._journal

    def add_listener(self, listener: WorldListener) -> None:
        self.dispatcher.add(listener)

    def on_commit(self, save: Callable[[], None]) -> None:
        """Have ``save`` called whenever orders, fills or accounts changed, before anybody hears of it."""
        self._on_commit = save

    def step(self, wall_s: float) -> None:
        """Let the world live until the wall's monotonic second ``wall_s``."""
        self.wall_s = wall_s
        self.clock.advance(wall_s)
        self.market.advance(self.clock.market_s)
        self.clock.over = self.clock.over or self.market.is_over()
        self._roll_day()
        self._run_script()
        self.faults.step(self, wall_s)
        self.feed.step(wall_s)
        self.ticks.step(self.clock.market_s)
        if self.broker.step(wall_s):
            self.changed = True
        self.history.step(wall_s, self.clock.market_s)
        if wall_s >= self._next_marks_s:
            self._next_marks_s = wall_s + MARKS_EVERY_WALL_S
            self.dispatcher.marks()
        if wall_s >= self._next_accounts_s:
            self._next_accounts_s = wall_s + ACCOUNTS_EVERY_WALL_S
            self.settlement.announce_marks()
        self.commit()

    def commit(self) -> None:
        """Store what changed, then let the frames go: nobody may see what a crash could undo."""
        if (self.changed or self.broker.touched) and self._on_commit is not None:
            self._on_commit()
        self.changed = self.broker.touched = False
        self.dispatcher.flush()

    def _roll_day(self) -> None:
        """A new session: expired options are settled, the day's figures begin anew, old orders are forgotten."""
        if settle_expired(self.settlement, self.universe, self.hours, self.clock.market_s, self.market):
            self.changed = True
        day = self.market.last_day().isoformat()
        if day == self.day:
            return
        if self.day:
            kept_from = self.hours.before(self.market.last_day())
            self.book.forget_before(kept_from.open_s)
        self.universe.extend(self.market.chain())
        self.board.publish(self.board.watched())
        self.settlement.start_day()
        self.day = day
        self.changed = True

    def _run_script(self) -> None:
        while self.script_position < len(self.script):
            fault = self.script[self.script_position]
            if fault.at_s > self.clock.market_s:
                return
            self.script_position += 1
            self.changed = True
            try:
                self.inject(fault.name, fault.parameters)
            except BadParameters as error:
                # Its words were checked when the scenario was read; what it names may be gone by now.
                log.error("scripted fault at %s: %s", self.clock.now().isoformat(timespec="seconds"), error)

    # -- faults and the human at TWS

    def inject(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a fault; raises `UnknownFault` or `BadParameters`."""
        fault = self.faults.inject(self, name, parameters)
        self.changed = True
        self.commit()
        return fault.describe()

    def place_manual(self, request: OrderRequest) -> OrderView:
        """An order entered at TWS by hand: client 0's, without an order id. Raises `BrokerError` on a reject."""
        order = self.broker.place(MANUAL_CLIENT, 0, request, manual=True)
        assert order is not None, "a manual order is never a what-if"
        self.changed = True
        self.commit()
        return order.view()

    def cancel_manual(self, perm_id: int) -> OrderView:
        """A human at TWS cancels an order, whoever placed it. Raises `BrokerError`: 10147, 10148."""
        order = self.broker.cancel_by_hand(perm_id)
        self.changed = True
        self.commit()
        return order.view()

    def drop_market_data(self) -> None:
        """All market data lines and bar streams end without a word (1101)."""
        self.feed.drop_all()
        self.history.drop_all()
        self.ticks.drop_all()

    def reconnect_broker(self) -> None:
        """After 1100: events that waited go out, then what clients sent meanwhile reaches the broker."""
        self.dispatcher.restore()
        parked, self._parked = self._parked, []
        for action in parked:
            action()

    # -- sessions

    @property
    def tap(self) -> WireTap:
        return self.hooks

    def client_connected(self, client_id: int) -> None:
        self.hooks.check_admission(client_id)
        self.clients.add(client_id)

    def client_disconnected(self, client_id: int) -> None:
        self.clients.discard(client_id)
        self.feed.drop_client(client_id)
        self.history.drop_client(client_id)
        self.ticks.drop_client(client_id)

    def notices(self) -> tuple[BrokerError, ...]:
        return (LOST,) if self.dispatcher.cut else self.hooks.notices(_FARMS)

    def next_order_id(self, client_id: int) -> int:
        return self.book.next_order_id(client_id)

    def now(self) -> datetime:
        return self.clock.told()

    # -- orders

    def place_order(self, client_id: int, order_id: int, request: OrderRequest) -> None:
        if self.dispatcher.cut:
            self._parked.append(
                lambda: self._late(client_id, order_id, lambda: self._place(client_id, order_id, request))
            )
            return
        self._place(client_id, order_id, request)
        self.commit()

    def _place(self, client_id: int, order_id: int, request: OrderRequest) -> None:
        self.broker.place(client_id, order_id, request)
        self.changed = True

    def cancel_order(self, client_id: int, order_id: int) -> None:
        if self.dispatcher.cut:
            self._parked.append(
                lambda: self._late(client_id, order_id, lambda: self.broker.cancel(client_id, order_id))
            )
            return
        self.broker.cancel(client_id, order_id)
        self.changed = True
        self.commit()

    def global_cancel(self, client_id: int) -> None:
        if self.dispatcher.cut:
            self._parked.append(self.broker.cancel_all)
            return
        self.broker.cancel_all()
        self.changed = True
        self.commit()

    def bind_manual_orders(self, client_id: int, auto_bind: bool) -> None:
        if client_id != MANUAL_CLIENT:
            raise BrokerError(
                321, "Error validating request:-'bB' : cause - Only client 0 can bind orders automatically"
            )
        self.broker.binds_manual = auto_bind
        if auto_bind:
            self.broker.bind_manual()

    def open_orders(self, client_id: int | None) -> tuple[OrderView, ...]:
        if client_id == MANUAL_CLIENT:
            self.broker.bind_manual()  # as at IB: client 0 owns what was entered by hand once it asks for its orders
        found = [order for order in self.book.open() if client_id in (None, order.client_id)]
        for order in found:
            self.dispatcher.unmute(order.perm_id)
        return tuple(order.view() for order in found)

    def completed_orders(self, api_only: bool) -> tuple[OrderView, ...]:
        found = [order for order in self.book.completed() if not (api_only and order.manual)]
        for order in found:
            self.dispatcher.unmute(order.perm_id)
        return tuple(order.view() for order in found)

    def executions(self, filter_: ExecutionFilter) -> tuple[tuple[Execution, Commission | None], ...]:
        since_s = parse_end(filter_.time) if filter_.time else 0.0
        found = [done for done in self.book.executions if fits(filter_, done.execution, since_s)]
        for done in found:
            self.dispatcher.unmute(done.execution.perm_id)
        return tuple((done.execution, done.commission if done.reported else None) for done in found)

    def _late(self, client_id: int, order_id: int, action: Callable[[], None]) -> None:
        """Do what waited at the gateway; a reject goes out as an event, its call is long gone."""
        try:
            action()
        except BrokerError as error:
            self.dispatcher.error(client_id, order_id, error)
        self.changed = True
