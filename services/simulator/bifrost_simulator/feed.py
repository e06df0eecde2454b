"""Market data lines: who gets which ticks, and how often they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bifrost_simulator.api import BrokerError, Contract, MarketDataType, Tick, TickReqParams
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.combos import BAG
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.market.base import Market, Quote, Statistics
from bifrost_simulator.market.greeks import ModelValues, OptionModel
from bifrost_simulator.ticks import (
    KNOWN_GENERICS,
    STATISTICS_GENERICS,
    heartbeat_ticks,
    model_ticks,
    quote_ticks,
    statistics_ticks,
)
from bifrost_simulator.universe import Universe

STOCK_EVERY_WALL_S = 0.2
OPTION_EVERY_WALL_S = 0.5
HEARTBEAT_WALL_S = 0.5
SNAPSHOT_WALL_S = 0.2

TOO_MANY_LINES = 101
NO_SUBSCRIPTION = 300
DUPLICATE_REQUEST = 322
VALIDATION = 321


@dataclass(slots=True)
class Line:
    """One market data request of one client."""

    client_id: int
    req_id: int
    contract: Contract
    generics: frozenset[int]
    snapshot_ends_wall_s: float | None = None
    sent: Quote | None = None
    sent_model: ModelValues | None = None
    sent_statistics: Statistics | None = None
    sent_wall_s: float = 0.0

    @property
    def is_snapshot(self) -> bool:
        return self.snapshot_ends_wall_s is not None


class FeedHooks(Protocol):
    """What may change between the published quotes and their subscribers."""

    def shown(self, contract: Contract, quote: Quote) -> Quote: ...
    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]: ...
    def data_type(self, client_id: int, req_id: int, contract: Contract) -> MarketDataType | None: ...


class Feed:
    """Publishes quotes to their subscribers.

    Parameters
    ----------
    lines : int
        Most different contracts streamed at once, all clients together (error 101 beyond).
    held : callable
        True for a conId whose quotes a fault holds back.
    """

    def __init__(
        self,
        market: Market,
        universe: Universe,
        board: QuoteBoard,
        dispatcher: Dispatcher,
        lines: int,
        held: Callable[[int], bool],
    ) -> None:
        self.lines = lines
        self._market = market
        self._universe = universe
        self._board = board
        self._out = dispatcher
        self._held = held
        self._model = OptionModel()
        self._by_request: dict[tuple[int, int], Line] = {}
        self._by_contract: dict[int, list[Line]] = {}
        self._data_type: dict[int, MarketDataType] = {}
        self.hooks: FeedHooks | None = None
        self._next_stock_s = 0.0
        self._next_options_s = 0.0
        self._wall_s = 0.0

    def set_type(self, client_id: int, data_type: int) -> None:
        if data_type not in tuple(MarketDataType):
            raise BrokerError(
                VALIDATION, f"Error validating request:-'bA' : cause - Invalid market data type {data_type}"
            )
        self._data_type[client_id] = MarketDataType(data_type)

    def subscribe(
        self, client_id: int, req_id: int, contract: Contract, generics: Sequence[int], snapshot: bool
    ) -> None:
        """Begin a stream or a snapshot; what is known goes out at once."""
        if (client_id, req_id) in self._by_request:
            raise BrokerError(DUPLICATE_REQUEST, "Error processing request:-'bA' : cause - Duplicate ticker id")
        unknown = sorted(set(generics) - KNOWN_GENERICS)
        if unknown:
            listed = ",".join(map(str, unknown))
            raise BrokerError(
                VALIDATION, f"Error validating request:-'bA' : cause - Incorrect generic tick list of {listed}"
            )
        if snapshot and generics:
            cause = "Snapshot market data subscription is not applicable to generic ticks"
            raise BrokerError(VALIDATION, f"Error validating request:-'bA' : cause - {cause}")
        streaming = {line.contract.con_id for line in self._by_request.values() if not line.is_snapshot}
        if not snapshot and contract.con_id not in streaming and len(streaming) >= self.lines:
            raise BrokerError(TOO_MANY_LINES, "Max number of tickers has been reached")
        ends = self._wall_s + SNAPSHOT_WALL_S if snapshot else None
        line = Line(client_id, req_id, contract, frozenset(generics), ends)
        self._by_request[client_id, req_id] = line
        self._by_contract.setdefault(contract.con_id, []).append(line)
        self._board.watch(contract)
        self._out.tick_req_params(client_id, req_id, TickReqParams(0.01, "9c0001"))
        kind = self.hooks.data_type(client_id, req_id, contract) if self.hooks is not None else None
        self._out.market_data_type(client_id, req_id, kind or MarketDataType.LIVE)
        self._send(line, self._board.quote_of(contract))
        if contract.sec_type == "OPT":
            self._send_models([contract.con_id])

    def unsubscribe(self, client_id: int, req_id: int) -> None:
        line = self._by_request.get((client_id, req_id))
        if line is None:
            raise BrokerError(NO_SUBSCRIPTION, f"Can't find EId with tickerId:{req_id}")
        self._end(line)

    def drop_client(self, client_id: int) -> None:
        """A client has gone: its lines end."""
        for line in [line for line in self._by_request.values() if line.client_id == client_id]:
            self._end(line)
        self._data_type.pop(client_id, None)

    def drop_all(self) -> None:
        """All lines end without a word (1101: data lost)."""
        for line in list(self._by_request.values()):
            self._end(line)

    def step(self, wall_s: float) -> None:
        """Publish what is due: the stock at most five times a wall second, options twice."""
        self._wall_s = wall_s
        stock = self._universe.stock.con_id
        if wall_s >= self._next_stock_s:
            self._next_stock_s = wall_s + STOCK_EVERY_WALL_S
            self._publish([stock])
            self._heartbeat(stock)
        if wall_s >= self._next_options_s:
            self._next_options_s = wall_s + OPTION_EVERY_WALL_S
            options = [con_id for con_id in self._board.watched() if con_id != stock]
            if options:
                self._publish(options)
                self._send_models(options)
            for line in [line for line in self._by_request.values() if line.contract.sec_type == BAG]:
                self._send(line, self._board.quote_of(line.contract))
        for line in [line for line in self._by_request.values() if line.is_snapshot]:
            if line.snapshot_ends_wall_s is not None and wall_s >= line.snapshot_ends_wall_s:
                self._end(line)
                self._out.snapshot_end(line.client_id, line.req_id)

    def requests(self) -> tuple[Line, ...]:
        """Every market data line, in the order of asking."""
        return tuple(self._by_request.values())

    def line_count(self) -> int:
        return len(self._by_request)

    def _publish(self, con_ids: Iterable[int]) -> None:
        free = [con_id for con_id in con_ids if not self._held(con_id)]
        self._board.publish(free)
        for con_id in free:
            quote = self._board.quote(con_id)
            for line in self._by_contract.get(con_id, ()):
                self._send(line, quote)

    def _send(self, line: Line, quote: Quote) -> None:
        if self._held(line.contract.con_id):
            return
        if self.hooks is not None:
            quote = self.hooks.shown(line.contract, quote)
        found = quote_ticks(line.sent, quote, line.generics)
        if line.generics & STATISTICS_GENERICS and line.contract.sec_type != BAG:
            statistics = self._market.statistics(self._universe.key(line.contract.con_id))
            found += statistics_ticks(line.sent_statistics, statistics, line.generics)
            line.sent_statistics = statistics
        ticks = self._disturbed(line, found)
        if ticks:
            line.sent, line.sent_wall_s = quote, self._wall_s
            self._out.ticks(line.client_id, line.req_id, ticks)

    def _disturbed(self, line: Line, ticks: list[Tick]) -> list[Tick]:
        return ticks if self.hooks is None else self.hooks.ticks(line.contract, line.generics, ticks)

    def _send_models(self, con_ids: Sequence[int]) -> None:
        """Option computations for subscribed options, each only when it changed."""
        wanted = [c for c in con_ids if self._by_contract.get(c) and not self._held(c)]
        if not wanted:
            return
        keys = [self._universe.key(con_id) for con_id in wanted]
        quotes = [self._board.quote(con_id) for con_id in wanted]
        models = self._model.compute(keys, [self._market.model_inputs(key) for key in keys], quotes)
        for con_id, quote, model in zip(wanted, quotes, models, strict=True):
            if model is None:
                continue
            for line in self._by_contract[con_id]:
                if line.sent_model != model:
                    line.sent_model, line.sent_wall_s = model, self._wall_s
                    self._out.ticks(line.client_id, line.req_id, self._disturbed(line, model_ticks(model, quote)))

    def _heartbeat(self, con_id: int) -> None:
        """In an open session the underlying is never silent for a wall second (contracts.md), also between quotes."""
        if self._held(con_id) or not self._market.is_tradable(self._universe.key(con_id)):
            return
        for line in self._by_contract.get(con_id, ()):
            if self._wall_s - line.sent_wall_s >= HEARTBEAT_WALL_S - STOCK_EVERY_WALL_S / 2:
                line.sent_wall_s = self._wall_s
                ticks = self._disturbed(line, heartbeat_ticks(self._board.quote(con_id)))
                self._out.ticks(line.client_id, line.req_id, ticks)

    def _end(self, line: Line) -> None:
        self._by_request.pop((line.client_id, line.req_id), None)
        lines = self._by_contract.get(line.contract.con_id, [])
        if line in lines:
            lines.remove(line)
        if not lines:
            self._by_contract.pop(line.contract.con_id, None)
        self._board.unwatch(line.contract)
