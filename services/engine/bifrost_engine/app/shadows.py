"""Shadow hedgers beside the live engine: they look on after each evaluation, keep their books, and send nothing.

Each trading day stands for itself: at the first good evaluation every shadow takes over the engine's shares at the mid,
and from there on each goes its own way; the engine's own row begins there too. Rows are written once a market minute:
what a shadow did in the last minute before a kill is forgotten, and it goes on from the book of that minute.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from bifrost.config.shadows import ShadowHedger
from bifrost.contract import ContractKey

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.effects import Alert, RecordShadow, Severity
from bifrost_engine.domain.evaluate import Evaluation
from bifrost_engine.domain.policies import FixedBand, GammaScaledBand, Policy, TimeBased, WhalleyWilmott
from bifrost_engine.domain.policies.shadows import (
    Commission,
    Line,
    Seen,
    Shadow,
    first_expiry_s,
    line_from,
    market_open,
    shadow_from,
)
from bifrost_engine.domain.state import Rules
from bifrost_engine.domain.trading_day.day_position import DayPosition
from bifrost_engine.domain.trading_day.trading_day import TradingDay

log = logging.getLogger(__name__)
ENGINE = "the engine"
#: After a change of the legs shadows wait so many market seconds before they hedge.
SETTLE_S = 1.0
_MAKERS: Mapping[str, Callable[..., Policy]] = {
    "fixed_band": FixedBand,
    "whalley_wilmott": WhalleyWilmott,
    "time_based": TimeBased,
    "gamma_scaled_band": GammaScaledBand,
}
Legs = dict[ContractKey, float]


def policy_of(hedger: ShadowHedger) -> Policy:
    return _MAKERS[hedger.policy](**dict(hedger.parameters))


@dataclass(slots=True)
class _Engine:
    """What the engine itself did since the shadows began; the bases are the day's figures then."""

    pnl_usd: float
    commissions_usd: float
    slippage_usd: float
    hedges: int
    line: Line = field(default_factory=Line)

    @classmethod
    def beginning(cls, day: TradingDay) -> _Engine:
        return cls(day.daily_pnl_usd, day.commissions_usd, -day.slippage_usd, day.hedge_count)

    def row(self, day: TradingDay) -> dict[str, Any]:
        commissions, slippage = day.commissions_usd - self.commissions_usd, -day.slippage_usd - self.slippage_usd
        return {
            "policy": ENGINE,
            "hedges": day.hedge_count - self.hedges,
            "shares_traded": None,
            "slippage_usd": slippage,
            "commissions_usd": commissions,
            "pnl_usd": self.line.pnl_usd,
            "std_by_minute_usd": self.line.minutes.std,
        }

    def book(self) -> dict[str, Any]:
        names = ("pnl_usd", "commissions_usd", "slippage_usd", "hedges")
        return {**{name: getattr(self, name) for name in names}, "line": self.line.book()}


@dataclass(slots=True)
class _Day:
    """The books of one trading day."""

    day: date
    hedgers: tuple[ShadowHedger, ...]
    legs: Legs
    engine: _Engine
    shadows: dict[str, Shadow] = field(default_factory=dict)
    since_s: dict[str, float] = field(default_factory=dict)
    """Market time at which each row began."""
    changed_s: float = 0.0
    """Market time at which the legs last changed."""
    minute: int = 0


class ShadowDesk:
    """Follows the steps of one engine.

    Parameters
    ----------
    rules : callable
        The rules in force.
    record : callable
        Takes a row to be kept, or the news that there will be none.
    commission : callable
        What an order in the stock would cost, ``(shares, dollars) -> dollars``.
    """

    def __init__(
        self, rules: Callable[[], Rules], record: Callable[[RecordShadow | Alert], None], commission: Commission
    ) -> None:
        self._rules = rules
        self._record = record
        self._commission = commission
        self._stored: list[Mapping[str, Any]] = []
        self._day: _Day | None = None
        self._newest: Step | None = None
        self.broken = ""
        """Why there are no shadows any more; the engine goes on."""

    async def open(self, read: Callable[[], Awaitable[list[Mapping[str, Any]]]]) -> None:
        """A book is opened: ``read`` gives what an earlier life of it left of its newest trading day.

        Each row has ``trading_day``, ``policy``, ``book``, ``legs`` and ``since_s``, epoch seconds of its beginning.
        """
        self._day, self._newest = None, None
        self._stored = []
        if self.broken or not self._rules().config.shadow_hedgers:
            return
        try:
            self._stored = await read()
        except Exception as error:
            # A book that cannot be read must not keep the engine from its start.
            self._end(error)

    def follow(self, step: Step) -> None:
        """Look on; never raises, for nothing here is worth a hedge."""
        if self.broken or not self._rules().config.shadow_hedgers:
            return
        try:
            self._follow(step)
        except Exception as error:
            self._end(error)
            if step.evaluation is not None:
                self._record(Alert(step.evaluation.view.at, Severity.WARNING, "shadow_hedgers", self.broken))

    def _end(self, error: Exception) -> None:
        self.broken = f"the shadow hedgers ended: {error}"
        log.error("%s", self.broken, exc_info=True)

    def flush(self) -> None:
        """Write what the last minute brought; never raises."""
        if self._day is None or self._newest is None or self.broken:
            return
        try:
            self._write(self._day, self._newest)
        except Exception as error:
            self._end(error)

    def _follow(self, step: Step) -> None:
        evaluation, day = step.evaluation, step.state.day
        if evaluation is None or day.day is None or not market_open(evaluation.gates):
            return
        held = {key: position for key, position in day.positions.items() if key.is_option}
        legs = {key: position.quantity for key, position in held.items() if not position.flat}
        seen = _seen(evaluation, held, legs)
        if seen is None:
            return
        books = self._books(step, seen, legs)
        if legs != books.legs:
            if books.legs:
                for shadow in books.shadows.values():
                    shadow.legs_changed(seen)
            books.legs, books.changed_s = legs, seen.market_s
        if seen.market_s < books.changed_s + SETTLE_S:
            # Legs are adopted one by one: nobody hedges half a straddle.
            seen = replace(seen, option_delta_shares=None, gamma_shares=None)
        config = self._rules().config
        for shadow in books.shadows.values():
            shadow.see(seen, config.greeks.risk_free_rate, config.gates.intent.hedge.min_hedge_shares, self._commission)
        minute = int(seen.market_s // 60)
        books.engine.line.at(minute, day.daily_pnl_usd - books.engine.pnl_usd)
        self._newest = step
        if minute != books.minute:
            books.minute = minute
            self._write(books, step)

    def _books(self, step: Step, seen: Seen, legs: Legs) -> _Day:
        """Those of the day and configuration in force; another day begins anew, another configuration changes them."""
        hedgers, day = self._rules().config.shadow_hedgers, step.state.day
        books = self._day
        if books is None or books.day != day.day:
            self.flush()
            assert day.day is not None
            books = self._day = _Day(day.day, (), {}, _Engine.beginning(day))
            self._take_up(books, seen)
        if books.hedgers != hedgers:
            books.hedgers = hedgers
            self._configure(books, step, seen, legs)
        return books

    def _take_up(self, books: _Day, seen: Seen) -> None:
        """What an earlier life of this engine knew of this day."""
        self._stored = [row for row in self._stored if row["trading_day"] == books.day]
        books.since_s[ENGINE] = seen.market_s
        for row in self._stored:
            if row["policy"] == ENGINE:
                book = {**row["book"]}
                books.engine = _Engine(**{**book, "line": line_from(book["line"])})
                books.since_s[ENGINE] = row["since_s"]

    def _configure(self, books: _Day, step: Step, seen: Seen, legs: Legs) -> None:
        evaluation = step.evaluation
        assert evaluation is not None
        before, books.shadows = books.shadows, {}
        for policy in map(policy_of, books.hedgers):
            stored = next((row for row in self._stored if row["policy"] == policy.name), None)
            if policy.name in before:
                books.shadows[policy.name] = before[policy.name]
            elif stored is not None:
                shadow = books.shadows[policy.name] = shadow_from(policy, stored["book"])
                books.since_s[policy.name] = stored["since_s"]
                if stored["legs"] != _named(legs):
                    shadow.legs_changed(seen)
            else:
                shadow = books.shadows[policy.name] = Shadow(policy, base_usd=seen.options_usd)
                shadow.take(evaluation.view.stock_in_scope, seen.spot)
                books.since_s[policy.name] = seen.market_s
        self._stored = []

    def _write(self, books: _Day, step: Step) -> None:
        assert step.evaluation is not None
        view = step.evaluation.view
        rows = [(books.engine.row(step.state.day), view.stock_in_scope, books.engine.book())]
        for shadow in books.shadows.values():
            rows.append(({**shadow.as_row()}, shadow.shares, shadow.book()))
        for row, shares, book in rows:
            row.pop("cost_usd", None)
            since_s = books.since_s[row["policy"]]
            self._record(RecordShadow(view.at, books.day, since_s, {**row, "shares": shares}, book, _named(books.legs)))


def _seen(evaluation: Evaluation, held: Mapping[ContractKey, DayPosition], legs: Legs) -> Seen | None:
    """None while there is nothing to hedge, no market to hedge on, or a leg without a mark."""
    view = evaluation.view
    if view.at.market_s is None or view.bid is None or view.ask is None or not legs:
        return None
    if any(held[key].mark is None for key in legs):
        return None
    return Seen(
        view.at.market_s,
        view.bid,
        view.ask,
        view.option_delta_shares,
        view.gamma_shares,
        sum(position.realized_usd + position.unrealized_usd for position in held.values()),
        first_expiry_s([key.expiry_date for key in legs]),
    )


def _named(legs: Legs) -> dict[str, float]:
    return {str(key): quantity for key, quantity in legs.items()}
