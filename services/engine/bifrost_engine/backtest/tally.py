"""What a run adds up while it goes: money, drawdown, counts. Memory does not grow with the length of the tape."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from bifrost.stats import Distribution, distribution
from bifrost.stats.money import dec
from numpy.typing import NDArray

from bifrost_engine.domain.effects import (
    Alert,
    OperationType,
    RecordCost,
    RecorderEffect,
    RecordExecution,
    RecordOperation,
)
from bifrost_engine.domain.policies.shadows import Moments
from bifrost_engine.domain.trading_day.trading_day import TradingDay

from .ticks import QuietTicks

Floats = NDArray[np.float64]
#: The equity curve keeps at most so many points; when it is full every second one goes and the steps double.
MOST_POINTS = 2000
_SESSIONS_A_YEAR, _MINUTES_A_SESSION = 252, 390


@dataclass(slots=True)
class Curve:
    """A line of points with a bounded number of them, the last one always there."""

    times_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    _every: int = 1
    _seen: int = 0

    def add(self, at_s: float, value: float) -> None:
        if self._seen % self._every == 0:
            self.times_s.append(at_s)
            self.values.append(value)
            if len(self.times_s) > MOST_POINTS:
                self.times_s, self.values = self.times_s[::2], self.values[::2]
                self._every *= 2
        self._seen += 1

    def extend(self, times_s: Floats, values: Floats) -> None:
        """`add` of each in turn."""
        place = 0
        while place < len(times_s):
            start, room = place + -self._seen % self._every, MOST_POINTS + 1 - len(self.times_s)
            chosen = slice(start, start + room * self._every, self._every)
            self.times_s += times_s[chosen].tolist()
            self.values += values[chosen].tolist()
            after = len(times_s)
            if len(self.times_s) > MOST_POINTS:
                after = start + (room - 1) * self._every + 1
                self.times_s, self.values = self.times_s[::2], self.values[::2]
                self._every *= 2
            self._seen += after - place
            place = after

    def end(self, at_s: float, value: float) -> None:
        if not self.times_s or self.times_s[-1] != at_s:
            self.times_s.append(at_s)
            self.values.append(value)


@dataclass(frozen=True, slots=True)
class DayResult:
    """One trading day, dollars."""

    day: date
    pnl_usd: float
    realized_usd: float
    unrealized_usd: float
    commissions_usd: float
    hedges: int
    parts: dict[str, float]
    """Attribution by name of the part; empty where none was made."""


@dataclass(slots=True)
class Tally:
    """Everything the summary is made of."""

    events: int = 0
    ticks: int = 0
    skipped: int = 0
    """Evaluations among them that the quick path spared the core."""
    outcomes: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    shares_traded: float = 0.0
    fills: int = 0
    slippage_usd: float = 0.0
    """Paid against the mid at decision: positive is a cost."""
    traded_usd: float = 0.0
    commissions_usd: float = 0.0
    days: dict[date, DayResult] = field(default_factory=dict)
    curve: Curve = field(default_factory=Curve)
    spot: Curve = field(default_factory=Curve)
    delta: Curve = field(default_factory=Curve)
    highest_usd: float = 0.0
    drawdown_usd: float = 0.0
    """Largest fall below the highest equity so far, as a positive number."""
    drawdown_at_s: float | None = None
    minutes: Moments = field(default_factory=Moments)
    """Changes of equity from minute to minute."""
    _closed_usd: float = 0.0
    _minute: int | None = None
    _minute_usd: float = 0.0

    def record(self, effect: RecorderEffect) -> None:
        """Take one record of the core."""
        match effect:
            case RecordOperation(type=kind):
                self.operations[str(kind)] += 1
            case RecordExecution(execution=fill):
                self.fills += 1
                self.shares_traded += fill.quantity
                if fill.mid_at_decision is not None:
                    self.slippage_usd += fill.signed_quantity * (fill.price - fill.mid_at_decision)
                    self.traded_usd += fill.quantity * fill.mid_at_decision
            case RecordCost(commission=commission):
                self.commissions_usd += commission or 0.0
            case Alert(code=code):
                self.alerts[code] += 1

    def end_day(self, day: TradingDay) -> None:
        """A trading day is over: keep its figures."""
        if day.day is None or day.day in self.days:
            return
        attribution: Any = day.as_row().get("attribution")
        parts = dict(attribution["parts"]) if isinstance(attribution, dict) else {}
        self.days[day.day] = DayResult(
            day.day,
            day.daily_pnl_usd,
            day.realized_usd,
            day.unrealized_usd,
            day.commissions_usd,
            day.hedge_count,
            parts,
        )
        self._closed_usd += day.daily_pnl_usd

    def equity(self, at_s: float, day_usd: float) -> float:
        """Take the P&L of the day under way as it stands; gives the equity of the whole run."""
        total = self._closed_usd + day_usd
        self.highest_usd = max(self.highest_usd, total)
        fall = self.highest_usd - total
        if fall > self.drawdown_usd:
            self.drawdown_usd, self.drawdown_at_s = fall, at_s
        minute = int(at_s // 60)
        if minute != self._minute:
            self._minute_begins(minute, at_s, total)
        return total

    def _minute_begins(self, minute: int, at_s: float, total: float) -> None:
        if self._minute is not None:
            self.minutes.add(total - self._minute_usd)
        self._minute, self._minute_usd = minute, total
        self.curve.add(at_s, total)

    def quiet(self, ticks: QuietTicks, day_usd: Floats, *, evaluations: int) -> None:
        """Take ticks at which nothing was to be hedged, with the day's P&L at each.

        ``evaluations``: those that the core did not make; answers of the broker are among them.
        """
        self.ticks += len(ticks)
        self.skipped += evaluations
        self.outcomes["none"] += len(ticks)
        total = self._closed_usd + day_usd
        highest = np.maximum(np.maximum.accumulate(total), self.highest_usd)
        fall = highest - total
        deepest = int(np.argmax(fall))
        if fall[deepest] > self.drawdown_usd:
            self.drawdown_usd, self.drawdown_at_s = float(fall[deepest]), float(ticks.at_s[deepest])
        self.highest_usd = float(highest[-1])
        minutes = ticks.at_s // 60
        begins = np.flatnonzero(np.diff(minutes, prepend=-1 if self._minute is None else self._minute))
        for place in begins.tolist():
            self._minute_begins(int(minutes[place]), float(ticks.at_s[place]), float(total[place]))
        self.spot.extend(ticks.at_s, ticks.spot)
        self.delta.extend(ticks.at_s, ticks.net_delta)

    @property
    def hedges(self) -> int:
        return self.operations[str(OperationType.ORDER_SENT)]

    @property
    def pnl_usd(self) -> float:
        return sum(day.pnl_usd for day in self.days.values())

    def parts(self) -> dict[str, float]:
        """Attribution over all days."""
        total: Counter[str] = Counter()
        for day in self.days.values():
            total.update({name: value for name, value in day.parts.items() if name != "total"})
        return dict(total)

    def by_day(self) -> Distribution:
        return distribution([dec(day.pnl_usd) for day in self.days.values()])

    def sharpe(self) -> tuple[float | None, str]:
        """Sharpe ratio of the P&L (no capital, no rate) by year, and what it was worked out from."""
        if len(self.days) > 1:
            moments = Moments()
            for day in self.days.values():
                moments.add(day.pnl_usd)
            return _ratio(moments, _SESSIONS_A_YEAR), f"P&L of {len(self.days)} days, annualised by √252"
        basis = f"P&L of {self.minutes.count} minutes, annualised by √(252·390)"
        return _ratio(self.minutes, _SESSIONS_A_YEAR * _MINUTES_A_SESSION), basis


def _ratio(moments: Moments, a_year: int) -> float | None:
    std = moments.std
    return moments.mean / std * math.sqrt(a_year) if std else None


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()
