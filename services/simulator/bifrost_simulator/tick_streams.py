"""Tick-by-tick streams and the order book's rows, from the same publications as everything else; ticks of the past.

The simulated book is the published touch, so depth is one row a side. Past ticks are the tape in seconds: the trades of
a second are one tick, and sizes of past quotes are not kept (0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bifrost.contract import ContractKey

from bifrost_simulator.api import BrokerError, Contract
from bifrost_simulator.api.fine import (
    DepthOperation,
    DepthRow,
    FineTick,
    HistoricalTicksRequest,
    MidTick,
    QuoteTick,
    TickByTickType,
    TradeTick,
)
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.history import NO_DATA, VALIDATION, parse_end
from bifrost_simulator.market.base import EMPTY_QUOTE, Market, Quote, RawBar

MAX_DEPTH, MAX_TICK_BY_TICK = 3, 5
TOO_MANY_DEPTHS, NO_DEPTH, TOO_MANY_STREAMS, NO_STREAM = 309, 310, 10190, 300
MAX_PAST_TICKS = 1000
_WINDOW_S, _LONGEST_WINDOW_S = 600.0, 4 * 86400.0
KINDS = {
    "Last": TickByTickType.LAST,
    "AllLast": TickByTickType.ALL_LAST,
    "BidAsk": TickByTickType.BID_ASK,
    "MidPoint": TickByTickType.MID_POINT,
}


def _invalid(cause: str) -> BrokerError:
    return BrokerError(VALIDATION, f"Error validating request:-'bP' : cause - {cause}")


@dataclass(slots=True)
class _Stream:
    client_id: int
    req_id: int
    contract: Contract
    kind: TickByTickType | None
    """None for a book."""
    smart: bool = False
    sent: Quote = EMPTY_QUOTE


class TickStreams:
    """Keeps who gets which book and which ticks one by one."""

    def __init__(self, board: QuoteBoard, dispatcher: Dispatcher, held: Callable[[int], bool]) -> None:
        self._board = board
        self._out = dispatcher
        self._held = held
        self._streams: dict[tuple[int, int, bool], _Stream] = {}

    def start_depth(self, client_id: int, req_id: int, contract: Contract, smart: bool) -> None:
        """Begin a book; raises 309 when the client has three, 322 for an id in use."""
        if sum(1 for client, _, is_depth in self._streams if client == client_id and is_depth) >= MAX_DEPTH:
            raise BrokerError(TOO_MANY_DEPTHS, f"Max number ({MAX_DEPTH}) of market depth requests has been reached")
        self._start(_Stream(client_id, req_id, contract, None, smart))

    def stop_depth(self, client_id: int, req_id: int) -> None:
        self._stop(
            (client_id, req_id, True), NO_DEPTH, f"Can't find the subscribed market depth with tickerId:{req_id}"
        )

    def start_ticks(self, client_id: int, req_id: int, contract: Contract, name: str) -> TickByTickType:
        """Begin ticks one by one; raises 321 for an unknown kind, 10190 beyond five streams."""
        kind = KINDS.get(name)
        if kind is None:
            raise _invalid(f"Invalid tick type '{name}'. Legal ones are: {', '.join(KINDS)}.")
        if sum(1 for client, _, is_depth in self._streams if client == client_id and not is_depth) >= MAX_TICK_BY_TICK:
            raise BrokerError(TOO_MANY_STREAMS, "Max number of tick-by-tick requests has been reached")
        self._start(_Stream(client_id, req_id, contract, kind))
        return kind

    def stop_ticks(self, client_id: int, req_id: int) -> None:
        self._stop((client_id, req_id, False), NO_STREAM, f"Can't find EId with tickerId:{req_id}")

    def drop_client(self, client_id: int) -> None:
        for key in [key for key in self._streams if key[0] == client_id]:
            self._board.unwatch(self._streams.pop(key).contract)

    def drop_all(self) -> None:
        for stream in self._streams.values():
            self._board.unwatch(stream.contract)
        self._streams.clear()

    def step(self, now_s: float) -> None:
        """Send what was published since the last step."""
        for stream in self._streams.values():
            if not self._held(stream.contract.con_id):
                self._send(stream, now_s)

    def _start(self, stream: _Stream) -> None:
        key = (stream.client_id, stream.req_id, stream.kind is None)
        if key in self._streams:
            raise BrokerError(322, "Error processing request:-'bP' : cause - Duplicate ticker id")
        self._board.watch(stream.contract)
        self._streams[key] = stream

    def _stop(self, key: tuple[int, int, bool], code: int, text: str) -> None:
        stream = self._streams.pop(key, None)
        if stream is None:
            raise BrokerError(code, text)
        self._board.unwatch(stream.contract)

    def _send(self, stream: _Stream, now_s: float) -> None:
        before, now = stream.sent, self._board.quote_of(stream.contract)
        stream.sent = now
        if stream.kind is None:
            for row in _rows(before, now, stream.contract, stream.smart):
                self._out.depth(stream.client_id, stream.req_id, row)
            return
        tick = _tick(stream.kind, before, now, stream.contract, int(now_s))
        if tick is not None:
            self._out.tick_by_tick(stream.client_id, stream.req_id, stream.kind, tick)


def _rows(before: Quote, now: Quote, contract: Contract, smart: bool) -> list[DepthRow]:
    """What changed in the first row of each side."""
    maker = contract.primary_exchange or "CBOE"
    rows = []
    for is_bid in (True, False):
        old = (before.bid, before.bid_size) if is_bid else (before.ask, before.ask_size)
        new = (now.bid, now.bid_size) if is_bid else (now.ask, now.ask_size)
        if old == new:
            continue
        was, has = old[1] > 0, new[1] > 0
        operation = DepthOperation.UPDATE if was and has else DepthOperation.INSERT if has else DepthOperation.DELETE
        price, size = new if has else (0.0, 0.0)
        rows.append(DepthRow(0, operation, is_bid, price, size, maker, smart))
    return rows


def _tick(kind: TickByTickType, before: Quote, now: Quote, contract: Contract, now_s: int) -> FineTick | None:
    if kind in (TickByTickType.LAST, TickByTickType.ALL_LAST):
        new = (now.last, now.last_time_s) != (before.last, before.last_time_s)
        exchange = contract.primary_exchange or "CBOE"
        return TradeTick(int(now.last_time_s), now.last, now.last_size, exchange) if now.last > 0 and new else None
    old = (before.bid, before.ask, before.bid_size, before.ask_size)
    if old == (now.bid, now.ask, now.bid_size, now.ask_size):
        return None
    if kind is TickByTickType.BID_ASK:
        return QuoteTick(now_s, now.bid, now.ask, now.bid_size, now.ask_size)
    return MidTick(now_s, round(now.mid, 6)) if now.mid is not None and now.mid != before.mid else None


def past_ticks(market: Market, key: ContractKey, request: HistoricalTicksRequest, now_s: float) -> list[FineTick]:
    """Ticks oldest first; raises 321 for what cannot be asked and 162 when there are none."""
    if not 1 <= request.count <= MAX_PAST_TICKS:
        raise _invalid(f"The number of ticks must be 1 to {MAX_PAST_TICKS}, not {request.count}.")
    if bool(request.start) == bool(request.end):
        raise _invalid("Give either the start or the end of the ticks.")
    take = {"TRADES": _trades, "MIDPOINT": _mids, "BID_ASK": _quotes}.get(request.what_to_show.upper())
    if take is None:
        raise _invalid(f"Invalid whatToShow '{request.what_to_show}'. Legal ones are: TRADES, MIDPOINT, BID_ASK.")
    forward = bool(request.start)
    anchor_s = min(now_s, parse_end(request.start or request.end))
    window_s, found = _WINDOW_S, list[FineTick]()
    while len(found) < request.count and window_s <= _LONGEST_WINDOW_S:
        bounds = (anchor_s, min(now_s, anchor_s + window_s)) if forward else (anchor_s - window_s, anchor_s)
        found = list(take(market, key, *bounds))
        window_s *= 4
    if not found:
        raise BrokerError(NO_DATA, "Historical Market Data Service error message:HMDS query returned no data")
    return found[: request.count] if forward else found[-request.count :]


def _bars(market: Market, key: ContractKey, start_s: float, end_s: float, what: str) -> list[RawBar]:
    return market.bars(key, start_s, end_s, 1.0, what)


def _trades(market: Market, key: ContractKey, start_s: float, end_s: float) -> Sequence[FineTick]:
    bars = _bars(market, key, start_s, end_s, "TRADES")
    return [TradeTick(int(bar.start_s), round(bar.close, 4), bar.volume) for bar in bars if bar.volume > 0]


def _mids(market: Market, key: ContractKey, start_s: float, end_s: float) -> Sequence[FineTick]:
    return [MidTick(int(bar.start_s), round(bar.close, 6)) for bar in _bars(market, key, start_s, end_s, "MIDPOINT")]


def _quotes(market: Market, key: ContractKey, start_s: float, end_s: float) -> Sequence[FineTick]:
    asks = {bar.start_s: bar.close for bar in _bars(market, key, start_s, end_s, "ASK")}
    bids = _bars(market, key, start_s, end_s, "BID")
    return [
        QuoteTick(int(bar.start_s), round(bar.close, 4), round(asks[bar.start_s], 4), 0.0, 0.0)
        for bar in bids
        if bar.start_s in asks
    ]
