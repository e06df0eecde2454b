"""A made market: a seeded spot with its quotes, and options quoted from a smile around it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from bifrost.contract import ContractKey, contract_key

from bifrost_simulator.hours import Hours, MarketSession, new_york_day, new_york_s
from bifrost_simulator.market.bars import group_bars
from bifrost_simulator.market.base import EMPTY_QUOTE, NO_QUOTE, ModelInputs, Quote, RawBar, Statistics
from bifrost_simulator.market.day_tape import DayTape, Floats, Ints, MarketParameters, draw_day
from bifrost_simulator.market.listing import expiries_listed, strike_step, strikes_around
from bifrost_simulator.market.moves import Move, moved, opening_factor
from bifrost_simulator.market.past_days import PastDays
from bifrost_simulator.market.tree import tree_values

_KEEP_DAYS = 4
_BATCH = 500  # trees valued at once: more would only need more memory
_YEAR_S = 365.0 * 86400.0
_OPTION_TICK_EDGE = 3.0
_TRADE_BLOCK_S = 120.0
_SIZE_BLOCK_S = 2.0
_JUST_BEFORE_S = 1e-3  # a bar ends before its last moment
_OVERNIGHT_SHARE = 0.3  # of a session's volatility


def option_tick(price: float) -> float:
    """Tick of an option premium: 0.01 below $3, 0.05 above (contracts.md)."""
    return 0.01 if price < _OPTION_TICK_EDGE else 0.05


def _noise(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but ``parts``."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


class GeneratedMarket:
    """The market of ``market: generated``.

    Parameters
    ----------
    hours : Hours
        When it trades.
    start_s : float
        Epoch second at which the run begins; days before it are drawn backwards from the first spot.
    last_s : float
        Epoch second at which the scenario is over.
    anchors : mapping, optional
        First spot and volatility state of the days already seen, as `to_state` gave them.
    """

    def __init__(
        self,
        symbol: str,
        parameters: MarketParameters,
        seed: int,
        hours: Hours,
        start_s: float,
        last_s: float = math.inf,
        state: dict[str, object] | None = None,
    ) -> None:
        self.symbol = symbol
        self.parameters = parameters
        self.last_s = last_s
        self._seed = seed
        self._hours = hours
        self._start_s = start_s
        self._start = self._first_session(start_s)
        stored = state or {}
        self._anchors: dict[date, tuple[float, float]] = {self._start.day: (parameters.spot, 0.0)}
        for text, pair in dict(stored.get("anchors", {})).items():  # type: ignore[call-overload]
            self._anchors[date.fromisoformat(text)] = (float(pair[0]), float(pair[1]))
        self._moves = [Move(float(at_s), float(factor)) for at_s, factor in stored.get("moves", ())]  # type: ignore[attr-defined]
        self._tapes: dict[date, DayTape] = {}
        self._listed_on: date | None = None
        self._chain: dict[ContractKey, None] = {}
        for text in stored.get("chain", ()):  # type: ignore[attr-defined]
            symbol_, kind, expiry, strike, right = str(text).split("|")
            self._chain[contract_key(symbol_, kind, expiry, float(strike), right)] = None
        self._last_trades: dict[ContractKey, tuple[int, float]] = {}
        self._closes: dict[ContractKey, tuple[date, float]] = {}
        self._past = PastDays(parameters, seed, hours, self._start.day, self._gap)
        self._stock_close: tuple[date, float] | None = None
        self.market_s = start_s
        self.advance(start_s)

    def advance(self, market_s: float) -> None:
        self.market_s = max(self.market_s, market_s)
        self._session = self._hours.current_or_last(self.market_s)
        if self._session.day < self._start.day:
            self._session = self._hours.before(self._start.day)
        self._tape = self.tape(self._session)
        self._i = self._tape.index(self.market_s)
        if self._listed_on != self._session.day:
            self._list(self._session.day)

    def quotes(self, keys: Sequence[ContractKey]) -> list[Quote]:
        options = [key for key in keys if key.is_option and self._is_live(key)]
        priced = dict(zip(options, self._option_quotes(options), strict=True)) if options else {}
        return [priced[key] if key in priced else self._other_quote(key) for key in keys]

    def first_mark(self, key: ContractKey) -> float | None:
        return self.quotes([key])[0].mark

    def model_inputs(self, key: ContractKey) -> ModelInputs | None:
        p = self.parameters
        spot = float(self._tape.spot[self._i])
        years = self._years(key, self.market_s)
        return ModelInputs(spot, years, p.rate, p.dividend_yield, self._smile(key, spot, years, self._tape, self._i))

    def statistics(self, key: ContractKey) -> Statistics:
        """Volatilities of the stock as the tape is drawn, and a made-up open interest that lasts for the day."""
        if key.is_stock:
            level = self.parameters.implied_volatility * self._tape.iv_level(self._i)
            return Statistics(self.parameters.volatility, round(level, 4))
        interest = float(int(100 + 20_000 * _noise(self._seed, key, self._session.day, "open interest") ** 3))
        return Statistics(None, None, *((interest, 0.0) if key.right == "C" else (0.0, interest)))

    def chain(self) -> tuple[ContractKey, ...]:
        return tuple(self._chain)

    def is_tradable(self, key: ContractKey) -> bool:
        if not self._hours.is_open(self.market_s) or (key.is_option and not self._is_live(key)):
            return False
        return not bool(self._tape.halted[self._i])

    def is_tradable_outside(self, key: ContractKey) -> bool:
        """Stock may: against the session's last touch, which is published anew each minute."""
        return key.is_stock and self._hours.extended_at(self.market_s) is not None

    def is_over(self) -> bool:
        return self.market_s >= self.last_s

    def last_day(self) -> date:
        return self._session.day

    def bars(self, key: ContractKey, start_s: float, end_s: float, bar_s: float, what: str) -> list[RawBar]:
        bars: list[RawBar] = []
        until = min(end_s, self.market_s)
        for session in self._sessions(start_s, until):
            tape = self.tape(session)
            first = tape.index(max(start_s, session.open_s))
            last = tape.index(min(until, session.close_s) - _JUST_BEFORE_S)
            indices = self._sample(key, first, last, bar_s, tape)
            times = np.asarray(session.open_s + indices * tape.tick_s, dtype=np.float64)
            prices, sizes = self._series(key, tape, indices, what)
            if sizes is not None:
                traded = sizes > 0
                times, prices, sizes = times[traded], prices[traded], sizes[traded]
            bars += group_bars(times, prices, sizes, new_york_s(session.day, 0), bar_s)
        return bars

    def to_state(self) -> dict[str, object]:
        return {
            "anchors": {day.isoformat(): list(pair) for day, pair in self._anchors.items() if day >= self._start.day},
            "chain": [str(key) for key in self._chain],
            "moves": [[move.at_s, move.factor] for move in self._moves],
        }

    # -- what is done to it

    def move(self, factor: float) -> None:
        """Multiply the spot from now on, for good; while the market is closed from the next opening on."""
        at_s = self.market_s
        if at_s >= self._session.close_s:
            at_s = self._hours.after(self._session.day).open_s
        self._moves.append(Move(at_s, factor))
        self._tapes.pop(new_york_day(at_s), None)
        self._last_trades.clear()
        self.advance(self.market_s)

    def list_also(self, key: ContractKey) -> None:
        """List a contract that the calendar of listings would not, for good."""
        self._chain.setdefault(key)

    # -- days

    def tape(self, session: MarketSession) -> DayTape:
        """The tape of a session, drawn when first needed."""
        if session.day in self._tapes:
            return self._tapes[session.day]
        if session.day >= self._start.day:
            spot, iv_log = self._anchor(session.day)
            pin_s = self._start_s if session.day == self._start.day else None
            tape = draw_day(self.parameters, self._seed, session, spot, pin_s=pin_s, iv_log=iv_log)
            tape = moved(tape, self._moves)
        else:
            while self.reach_back(session.day):
                pass
            end = self._past.end_before(self._hours.after(session.day))
            tape = draw_day(self.parameters, self._seed, session, end, pin_s=session.close_s)
        while len(self._tapes) >= _KEEP_DAYS:
            # The day that is traded is needed at each step, whatever old days somebody asks for.
            others = [day for day in self._tapes if day != self._session.day]
            self._tapes.pop(max(others, key=lambda day: abs((day - session.day).days)))
        self._tapes[session.day] = tape
        return tape

    def reach_back(self, day: date) -> int:
        return self._past.reach_back(day, self._first_of_start)

    def _first_of_start(self) -> float:
        return float(self.tape(self._start).spot[0]) / opening_factor(self._start, self._moves)

    def _anchor(self, day: date) -> tuple[float, float]:
        """First spot and volatility state of ``day``, by way of every day between the last known one and it."""
        known = max(found for found in self._anchors if found <= day)
        while known < day:
            following = self._hours.after(known)
            tape = self.tape(self._hours.session(known) or self._start)
            spot = float(tape.spot[-1]) * math.exp(self._gap(following.day))
            self._anchors[following.day] = (spot, tape.end_factor)
            known = following.day
        return self._anchors[day]

    def _gap(self, day: date) -> float:
        """Logarithm of the overnight move before ``day``; none in a world that never closes."""
        if self._hours.always_open:
            return 0.0
        sigma = _OVERNIGHT_SHARE * self.parameters.volatility / math.sqrt(252)
        return float(np.random.default_rng([self._seed, day.toordinal(), 1]).normal(0.0, sigma))

    def _first_session(self, start_s: float) -> MarketSession:
        session = self._hours.session(new_york_day(start_s))
        if session is not None and start_s < session.close_s:
            return session
        return self._hours.after(new_york_day(start_s))

    def _sessions(self, start_s: float, end_s: float) -> list[MarketSession]:
        day, found = new_york_day(start_s), []
        while day <= new_york_day(end_s):
            session = self._hours.session(day)
            if session is not None and session.open_s < end_s and session.close_s > start_s:
                found.append(session)
            day += timedelta(days=1)
        return found

    def _list(self, day: date) -> None:
        """List new expiries and strikes; nothing listed is ever taken away before it expires."""
        spot = float(self._tape.spot[self._i])
        strikes = strikes_around(spot, strike_step(self.parameters.spot))
        for expiry in expiries_listed(day, self._hours):
            for strike in strikes:
                for right in ("C", "P"):
                    self._chain.setdefault(contract_key(self.symbol, "OPT", f"{expiry:%Y%m%d}", strike, right))
        self._listed_on = day

    # -- quotes

    def _other_quote(self, key: ContractKey) -> Quote:
        return self._stock_quote() if key.is_stock and key.symbol == self.symbol else EMPTY_QUOTE

    def _stock_quote(self) -> Quote:
        tape, i = self._tape, self._i
        halted = bool(tape.halted[i])
        quoted = not halted
        traded = int(tape.last_index[i])
        return Quote(
            bid=int(tape.bid_c[i]) / 100 if quoted else NO_QUOTE,
            ask=int(tape.ask_c[i]) / 100 if quoted else NO_QUOTE,
            bid_size=float(tape.bid_size[i]) if quoted else 0.0,
            ask_size=float(tape.ask_size[i]) if quoted else 0.0,
            last=int(tape.last_c[i]) / 100,
            last_size=float(tape.last_size[i]),
            last_time_s=tape.session.open_s + traded * tape.tick_s,
            close=self._previous_close(),
            open=int(tape.last_c[0]) / 100,
            high=int(tape.high_c[i]) / 100,
            low=int(tape.low_c[i]) / 100,
            volume=float(tape.volume[i]),
            halted=halted,
            version=self._version(),
        )

    def _previous_close(self) -> float:
        day = self._tape.session.day
        if self._stock_close is None or self._stock_close[0] != day:
            self._stock_close = (day, int(self.tape(self._hours.before(day)).last_c[-1]) / 100)
        return self._stock_close[1]

    def _version(self) -> int:
        after_minutes = max(0, int((self.market_s - self._tape.session.close_s) // 60))
        return self._tape.session.day.toordinal() * 1_000_000 + self._i + after_minutes

    def _option_quotes(self, keys: Sequence[ContractKey]) -> list[Quote]:
        tape, i = self._tape, self._i
        if bool(tape.halted[i]):
            return [Quote(halted=True, version=self._version()) for _ in keys]
        prices = self._prices(keys, tape, i)
        block = int(i * tape.tick_s / _TRADE_BLOCK_S)
        self._refresh_trades(keys, block)
        self._refresh_closes(keys)
        return [self._option_quote(key, float(price), block) for key, price in zip(keys, prices, strict=True)]

    def _option_quote(self, key: ContractKey, price: float, trade_block: int) -> Quote:
        tape, i = self._tape, self._i
        bid, ask = _touch(price, float(tape.widen[i]))
        noise = _noise(self._seed, key, tape.session.day, int(i * tape.tick_s / _SIZE_BLOCK_S))
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=float(5 + int(75 * noise)) if bid > 0 else 0.0,
            ask_size=float(5 + int(75 * (1 - noise))),
            last=self._last_trades[key][1],
            last_size=float(1 + trade_block % 9),
            last_time_s=tape.session.open_s + trade_block * _TRADE_BLOCK_S,
            close=self._closes[key][1],
            volume=float(5 * (trade_block + 1)),
            version=self._version(),
        )

    def _refresh_closes(self, keys: Sequence[ContractKey]) -> None:
        """Yesterday's settlement of each: the middle of the last touch."""
        day = self._tape.session.day
        stale = [key for key in keys if self._closes.get(key, (None, 0.0))[0] != day]
        if not stale:
            return
        tape = self.tape(self._hours.before(day))
        for key, price in zip(stale, self._prices(stale, tape, len(tape.spot) - 1), strict=True):
            bid, ask = _touch(float(price), 1.0)
            self._closes[key] = (day, round(0.5 * (max(bid, 0.0) + ask), 2))

    def _refresh_trades(self, keys: Sequence[ContractKey], block: int) -> None:
        """Price of the last made-up trade of each: one of the touches at the beginning of the two-minute block."""
        stamp = self._tape.session.day.toordinal() * 10_000 + block
        stale = [key for key in keys if self._last_trades.get(key, (-1, 0.0))[0] != stamp]
        if not stale:
            return
        i = self._tape.index(self._tape.session.open_s + block * _TRADE_BLOCK_S)
        for key, price in zip(stale, self._prices(stale, self._tape, i), strict=True):
            bid, ask = _touch(float(price), 1.0)
            self._last_trades[key] = (stamp, ask if bid <= 0 or _noise(key, stamp) < 0.5 else bid)

    def _prices(self, keys: Sequence[ContractKey], tape: DayTape, i: int) -> Floats:
        """Model values of many contracts at one lattice point."""
        return self._values(keys, tape, [i] * len(keys))

    def _values(self, keys: Sequence[ContractKey], tape: DayTape, indices: Sequence[int]) -> Floats:
        """Model value of each contract at its own lattice point."""
        p = self.parameters
        spots = tape.spot[np.asarray(indices)]
        moments = [tape.session.open_s + i * tape.tick_s for i in indices]
        years = [self._years(key, moment) for key, moment in zip(keys, moments, strict=True)]
        sigmas = [
            self._smile(key, float(spot), t, tape, i)
            for key, spot, t, i in zip(keys, spots, years, indices, strict=True)
        ]
        strikes = np.array([key.strike for key in keys])
        calls = np.array([key.right == "C" for key in keys])
        return tree_values(spots, strikes, np.array(years), p.rate, p.dividend_yield, np.array(sigmas), calls).price

    def _smile(self, key: ContractKey, spot: float, years: float, tape: DayTape, i: int) -> float:
        """Implied volatility by log moneyness over the square root of time; wings are held within reason."""
        if not key.is_option:
            return self.parameters.implied_volatility
        p = self.parameters
        forward = spot * math.exp((p.rate - p.dividend_yield) * years)
        m = math.log(key.strike / forward) / math.sqrt(max(years, 1 / 365))
        shape = 1.0 + p.skew * max(-1.5, min(1.5, m)) + p.smile * min(4.0, m * m)
        return max(0.03, p.implied_volatility * tape.iv_level(i) * shape)

    def _years(self, key: ContractKey, now_s: float) -> float:
        if not key.is_option:
            return 0.0
        return max(0.0, (self._hours.last_trading_s(key.expiry_date) - now_s) / _YEAR_S)

    def _is_live(self, key: ContractKey) -> bool:
        return key in self._chain and self.market_s < self._hours.last_trading_s(key.expiry_date)

    # -- history

    def _sample(self, key: ContractKey, first: int, last: int, bar_s: float, tape: DayTape) -> Ints:
        """Lattice points of a bar series: all of the stock's, four a bar of an option's (each costs a tree)."""
        step = max(1, round(bar_s / tape.tick_s / 4)) if key.is_option else 1
        return np.arange(first - first % step if key.is_option else first, last + 1, step, dtype=np.int64)

    def _series(self, key: ContractKey, tape: DayTape, indices: Ints, what: str) -> tuple[Floats, Floats | None]:
        """Prices at lattice points, and traded sizes for ``TRADES``."""
        if what == "OPTION_IMPLIED_VOLATILITY":
            return self.parameters.implied_volatility * tape.iv_levels(indices), None
        if key.is_stock:
            bid, ask = tape.bid_c[indices] / 100, tape.ask_c[indices] / 100
            if what == "TRADES":
                traded = np.diff(tape.volume, prepend=0)[indices].astype(np.float64)
                return tape.last_c[indices] / 100, traded
        else:
            parts = [indices[n : n + _BATCH] for n in range(0, len(indices), _BATCH)]
            values = [float(v) for part in parts for v in self._values([key] * len(part), tape, part.tolist())]
            touches = [_touch(value, float(tape.widen[i])) for value, i in zip(values, indices, strict=True)]
            bid = np.array([max(0.0, touch[0]) for touch in touches])
            ask = np.array([touch[1] for touch in touches])
            if what == "TRADES":
                return np.round(0.5 * (bid + ask), 2), np.full(len(indices), 5.0)
        prices = {"BID": bid, "ASK": ask}.get(what, 0.5 * (bid + ask))
        return prices, None


def _touch(price: float, widen: float) -> tuple[float, float]:
    """Bid and ask around a model value, on the tick; a worthless option has no bid."""
    half = 0.5 * (0.01 + 0.006 * price) * widen
    tick = option_tick(price)
    bid = math.floor((price - half) / tick + 0.5) * tick
    ask = max(math.floor((price + half) / tick + 0.5) * tick, max(bid, 0.0) + tick)
    return (round(bid, 2) if bid > 0 else NO_QUOTE), round(ask, 2)
