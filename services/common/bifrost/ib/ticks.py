"""From IB's numbered ticks to the state of one line. Pure; the session feeds it."""

from __future__ import annotations

import math

from bifrost.contract import ContractKey

from .quotes import MarketDataType, ModelTick, QuoteUpdate

# Delayed ticks carry numbers of their own; from here on a delayed bid is a bid (tws-protocol.md section 5).
_DELAYED_TO_LIVE = {66: 1, 67: 2, 68: 4, 69: 0, 70: 3, 71: 5, 72: 6, 73: 7, 74: 8, 75: 9, 76: 14, 88: 45}
_BID_SIZE, _BID, _ASK, _ASK_SIZE, _LAST, _LAST_SIZE, _CLOSE = 0, 1, 2, 3, 4, 5, 9
_MODEL, _DELAYED_MODEL = 13, 83
_LAST_TIME, _SHORTABLE, _HALTED, _SHORTABLE_SHARES = 45, 46, 49, 89


def _price(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


def _known(value: float, unset: float) -> float | None:
    return value if math.isfinite(value) and value != unset else None


class LineState:
    """Accumulates the ticks of one contract; `quote` gives the value after a chunk."""

    __slots__ = (
        "_ask",
        "_ask_size",
        "_bid",
        "_bid_size",
        "_last",
        "_last_size",
        "arrived_monotonic",
        "arrived_s",
        "contract_key",
        "halted",
        "last_time_s",
        "market_data_type",
        "model",
        "prev_close",
        "quote_arrived_monotonic",
        "shortable_level",
        "shortable_shares",
        "traded",
    )

    def __init__(self, contract_key: ContractKey) -> None:
        self.contract_key = contract_key
        self._bid = self._ask = self._last = math.nan
        self._bid_size = self._ask_size = self._last_size = math.nan
        self.prev_close: float | None = None
        self.last_time_s: int | None = None
        self.halted: bool | None = None
        self.shortable_shares: float | None = None
        self.shortable_level: float | None = None
        self.market_data_type: MarketDataType | None = None
        self.model: ModelTick | None = None
        self.arrived_s = 0.0
        self.arrived_monotonic = 0.0
        self.quote_arrived_monotonic: float | None = None
        self.traded = False

    def _arrived(self, wall_s: float, monotonic: float) -> None:
        self.arrived_s, self.arrived_monotonic = wall_s, monotonic

    def _normalise(self, tick_type: int) -> int:
        live = _DELAYED_TO_LIVE.get(tick_type)
        if self.market_data_type is None:
            self.market_data_type = MarketDataType.LIVE if live is None else MarketDataType.DELAYED
        return tick_type if live is None else live

    def set_type(self, value: int) -> bool:
        """Message 58; False when the number is none of IB's types."""
        try:
            self.market_data_type = MarketDataType(value)
        except ValueError:
            return False
        return True

    def price(self, tick_type: int, price: float, size: float, wall_s: float, monotonic: float) -> None:
        """Message 1: price and size come together."""
        kind = self._normalise(tick_type)
        self._arrived(wall_s, monotonic)
        if kind == _BID:
            self._bid, self._bid_size, self.quote_arrived_monotonic = price, size, monotonic
        elif kind == _ASK:
            self._ask, self._ask_size, self.quote_arrived_monotonic = price, size, monotonic
        elif kind == _LAST:
            self._last, self._last_size, self.traded = price, size, True
        elif kind == _CLOSE:
            self.prev_close = _price(price)

    def size(self, tick_type: int, size: float, wall_s: float, monotonic: float) -> None:
        """Message 2."""
        kind = self._normalise(tick_type)
        self._arrived(wall_s, monotonic)
        if kind == _BID_SIZE:
            self._bid_size, self.quote_arrived_monotonic = size, monotonic
        elif kind == _ASK_SIZE:
            self._ask_size, self.quote_arrived_monotonic = size, monotonic
        elif kind == _LAST_SIZE:
            self._last_size = size
        elif kind == _SHORTABLE_SHARES:
            self.shortable_shares = size if math.isfinite(size) and size >= 0 else None

    def generic(self, tick_type: int, value: float, wall_s: float, monotonic: float) -> None:
        """Message 45. Halted: 0 trades, 1 and 2 are halts, -1 is unknown."""
        self._arrived(wall_s, monotonic)
        if tick_type == _HALTED:
            self.halted = None if not math.isfinite(value) or value < 0 else value > 0
        elif tick_type == _SHORTABLE:
            self.shortable_level = value if math.isfinite(value) else None

    def string(self, tick_type: int, value: str, wall_s: float, monotonic: float) -> None:
        """Message 46: only the time of the last trade matters here."""
        self._arrived(wall_s, monotonic)
        if _DELAYED_TO_LIVE.get(tick_type, tick_type) == _LAST_TIME and value.isdecimal():
            self.last_time_s = int(value)

    def option_model(
        self,
        tick_type: int,
        iv_annual: float,
        delta: float,
        option_price: float,
        gamma: float,
        vega: float,
        theta: float,
        und_price: float,
        wall_s: float,
        monotonic: float,
    ) -> None:
        """Message 21. Computations on bid, ask and last are noise beside the model's and only count as arrival."""
        self._arrived(wall_s, monotonic)
        if tick_type not in (_MODEL, _DELAYED_MODEL):
            return
        iv = _known(iv_annual, -1.0)
        self.model = ModelTick(
            iv_annual=iv if iv is not None and iv > 0 else None,
            delta=_known(delta, -2.0),
            gamma=_known(gamma, -2.0),
            vega=_known(vega, -2.0),
            theta=_known(theta, -2.0),
            option_price=_known(option_price, -1.0),
            und_price=_price(und_price),
            arrived_monotonic=monotonic,
        )

    def quote(self) -> QuoteUpdate:
        """The line's newest values; clears the mark of a trade, so each trade is told once."""
        bid, ask, last = _price(self._bid), _price(self._ask), _price(self._last)
        # IB says "nobody there" by size 0 beside a price, as well as by -1.
        bid = None if self._bid_size == 0 else bid
        ask = None if self._ask_size == 0 else ask
        traded, self.traded = self.traded and last is not None, False
        return QuoteUpdate(
            contract_key=self.contract_key,
            bid=bid,
            ask=ask,
            bid_size=None if bid is None else _price(self._bid_size),
            ask_size=None if ask is None else _price(self._ask_size),
            last=last,
            last_size=None if last is None else _price(self._last_size),
            prev_close=self.prev_close,
            last_time_s=self.last_time_s,
            halted=self.halted,
            shortable_shares=self.shortable_shares,
            shortable_level=self.shortable_level,
            market_data_type=self.market_data_type,
            model=self.model,
            arrived_s=self.arrived_s,
            arrived_monotonic=self.arrived_monotonic,
            quote_arrived_monotonic=self.quote_arrived_monotonic,
            traded=traded,
        )
