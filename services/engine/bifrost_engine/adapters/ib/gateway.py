"""The engine's side of one TWS or IB Gateway: connection, orders, truth, quotes, accounts behind one object."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from bifrost.contract import ContractKey
from bifrost.ib import (
    AccountReader,
    AccountsReport,
    ContractCache,
    IbConnectError,
    IbConnection,
    IbNotConnected,
    MarketDataLines,
    MarketDataType,
)
from bifrost.ib import BrokerPosition as ReportedPosition

from bifrost_engine.app.ports import Sink
from bifrost_engine.app.service_ports import GatewayUnavailable, Login
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain.effects import (
    BrokerEffect,
    CancelOrder,
    FetchAccounts,
    FetchTruth,
    ModifyOrder,
    PlaceOrder,
    RequestLine,
)
from bifrost_engine.domain.events import PositionsReported
from bifrost_engine.domain.words import BrokerPosition, OrderIntent, Trigger

from . import frames
from .broker import IbOrders
from .feed import Feed
from .truth import QUERY_TIMEOUT_S, TruthReader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What of the configuration the gateway needs."""

    symbol: str
    client_id: int
    connect_timeout_s: float
    line_retry_s: float
    allow_delayed: bool
    query_timeout_s: float = QUERY_TIMEOUT_S


def _allowed(options: GatewayOptions) -> frozenset[MarketDataType]:
    """Kinds of data whose ticks clear a line's error."""
    live = frozenset({MarketDataType.LIVE})
    return live | {MarketDataType.DELAYED} if options.allow_delayed else live


class IbGateway:
    """Implements the ports Gateway and Broker on the IB library."""

    def __init__(self, options: GatewayOptions, sink: Sink, clock: EngineClock) -> None:
        self._options = options
        self._sink = sink
        self._clock = clock
        self._stock = ContractKey(options.symbol, "STK")
        self._account = ""
        self._pushed: dict[tuple[str, ContractKey], BrokerPosition] = {}
        self._push_complete = False
        self._push_scheduled = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self.on_ended: Callable[[str], None] = lambda reason: None
        self.on_accounts_wanted: Callable[[], None] = lambda: None
        self.connection = IbConnection(options.client_id, connect_timeout_s=options.connect_timeout_s)
        self._contracts = ContractCache(self.connection)
        self._lines = MarketDataLines(
            self.connection, retry_interval_s=options.line_retry_s, allowed_types=_allowed(options)
        )
        self._accounts = AccountReader(self.connection)
        self.orders = IbOrders(
            self.connection,
            sink,
            clock,
            account=lambda: self._account,
            tradable=self._tradable,
            round_price=self._round_price,
        )
        self.truth = TruthReader(
            self.connection,
            self.orders,
            clock,
            account=lambda: self._account,
            positions=self._read_positions,
            timeout_s=options.query_timeout_s,
        )
        self._feed = Feed(self.connection, self._contracts, self._lines, sink, clock)
        self.connection.on_connected.add(self._connected)
        self.connection.on_disconnected.add(self._ended)

    def configure(self, options: GatewayOptions) -> None:
        """Take over what a reloaded configuration says; symbol and client id need a restart."""
        self._options = replace(options, symbol=self._options.symbol, client_id=self._options.client_id)
        self.connection.connect_timeout_s = options.connect_timeout_s
        self._lines.retry_interval_s = options.line_retry_s
        self._lines.allowed_types = _allowed(options)

    # -- the link

    async def connect(self, host: str, port: int) -> Login:
        """Log on and confirm the stock's contract.

        Raises
        ------
        GatewayUnavailable
            With a reason for the operator.
        """
        try:
            accounts = await self.connection.connect(host, port)
        except IbConnectError as error:
            raise GatewayUnavailable(str(error)) from error
        try:
            found = await self._contracts.qualify([self._stock])
        except (IbNotConnected, OSError) as error:
            self.disconnect(str(error))
            raise GatewayUnavailable(f"{host}:{port}: {error}") from error
        if self._stock not in found:
            failure = self._contracts.failure(self._stock)
            reason = failure.reason if failure else "no answer"
            self._contracts.forget(self._stock)
            self.disconnect(reason)
            raise GatewayUnavailable(f"{host}:{port} does not know the stock {self._options.symbol}: {reason}")
        return Login(accounts, self.connection.client_id, f"{host}:{port}")

    def trade_for(self, account: str) -> None:
        """Name the trading account and begin to stream its market."""
        self._account = account
        self._lines.subscribe(self._known(self._stock))
        self._push_positions()

    def disconnect(self, reason: str) -> None:
        self.connection.disconnect(reason)

    @property
    def connected(self) -> bool:
        return self.connection.is_connected

    def last_arrival_s(self) -> float | None:
        """Wall time of the last bytes of anything, None without a connection."""
        return self._clock.wall_of(self.connection.last_arrival) if self.connection.is_connected else None

    def retry_lines(self) -> None:
        self._lines.retry_now()

    async def fetch_accounts(self) -> AccountsReport:
        """Summaries and positions of every managed account; raises when anything is missing."""
        return await self._accounts.fetch_accounts()

    # -- effects of the core

    def carry_out(self, effect: BrokerEffect) -> None:
        match effect:
            case PlaceOrder():
                self.orders.place(effect)
            case ModifyOrder():
                self.orders.modify(effect)
            case CancelOrder():
                self.orders.cancel(effect)
            case FetchTruth(trigger=trigger):
                self._background(self._read_truth(trigger))
            case RequestLine(key=key):
                self._feed.want([key], self._con_ids())
            case FetchAccounts():
                self.on_accounts_wanted()

    async def _read_truth(self, trigger: Trigger) -> None:
        answer = await self.truth.read(trigger)
        if answer.ok:
            self._want_lines(answer.positions)
        self._sink(answer)

    async def _read_positions(self) -> tuple[BrokerPosition, ...]:
        held = await self._accounts.fetch_positions(self._account, self._options.query_timeout_s)
        return tuple(map(_position, held))

    def _want_lines(self, positions: tuple[BrokerPosition, ...]) -> None:
        held = {
            position.key: position.con_id
            for position in positions
            if position.key.is_option and position.key.symbol == self._options.symbol and position.quantity
        }
        self._feed.want(held, held)

    def _con_ids(self) -> dict[ContractKey, int]:
        return {position.key: position.con_id for position in self._pushed.values() if position.con_id}

    def _known(self, key: ContractKey) -> Any:
        info = self._contracts.get(key)
        if info is None:
            raise LookupError(f"the gateway has not confirmed {key}")
        return info

    def _tradable(self, intent: OrderIntent) -> Any:
        return self._known(intent.key).ib_contract

    def _round_price(self, intent: OrderIntent, price: float) -> float:
        return float(self._known(intent.key).round_price(price, str(intent.side)))

    # -- positions as the gateway pushes them

    def _connected(self) -> None:
        self.orders.listen()
        self._pushed.clear()
        self._push_complete = False
        wrapper = self.connection.ib.wrapper
        wrapper.position = self._on_position
        wrapper.positionEnd = self._on_position_end

    def _ended(self, reason: str) -> None:
        self.on_ended(reason)

    def _on_position(self, account: str, contract: Any, quantity: float, avg_cost: float) -> None:
        try:
            position = frames.position(account, contract, quantity, avg_cost)
        except ValueError as error:
            log.warning("a position of %s cannot be read: %s", account, error)
            return
        self._pushed[(account, position.key)] = position
        self._push_positions()

    def _on_position_end(self) -> None:
        self._push_complete = True
        self._push_positions()

    def _push_positions(self) -> None:
        """Tell once for a burst, and only what is complete: half a list would look like closed legs."""
        if self._push_complete and self._account and not self._push_scheduled:
            self._push_scheduled = True
            asyncio.get_running_loop().call_soon(self._tell_positions)

    def _tell_positions(self) -> None:
        self._push_scheduled = False
        if not self.connection.is_connected:
            return
        held = tuple(p for p in self._pushed.values() if p.quantity and p.account == self._account)
        self._want_lines(held)
        self._sink(PositionsReported(self._clock.now(), held))
        self.on_accounts_wanted()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _position(reported: ReportedPosition) -> BrokerPosition:
    return BrokerPosition(
        account=reported.account,
        key=reported.contract_key,
        quantity=reported.quantity,
        avg_cost=reported.avg_cost,
        con_id=reported.con_id,
        multiplier=reported.multiplier,
        trading_class=reported.trading_class,
    )
