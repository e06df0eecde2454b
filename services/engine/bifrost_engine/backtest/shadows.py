"""Shadow hedgers: policies that see the same evaluations as the live core and hedge a book of their own.

Each pays the touch and the same commissions, at once and whole: what differs between them is when they hedge. They
trade where the market lets anybody trade (session, halt, quote, safe mode), without the core's pacing gates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bifrost.calendar import SECONDS_A_YEAR
from bifrost.config import Config
from bifrost.contract import ContractKey

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.evaluate import Evaluation
from bifrost_engine.domain.policies import FixedBand, GammaScaledBand, Policy, Situation, TimeBased, WhalleyWilmott

from .fills import FillModel
from .legs import Held
from .tally import Moments

#: Gates that speak of the market, not of the core's own pace or orders.
_MARKET_GATES = frozenset(
    {"outside_session", "halted", "safe_mode", "no_quote", "no_legs", "earnings_blackout", "spread_too_wide"}
)
#: λ of the standard set: a cent of spread and half a cent of commission on a stock of a hundred dollars.
_COST_PART = 0.0001


def standard_policies(config: Config) -> tuple[Policy, ...]:
    """Each policy at several settings, so that a comparison shows cost against variance as a line, not as a point."""
    band, least = config.gates.state.delta.threshold_hedge_shares, config.gates.intent.hedge.min_hedge_shares
    return (
        *(FixedBand(band * factor) for factor in (0.5, 1, 2, 4)),
        *(WhalleyWilmott(aversion, _COST_PART) for aversion in (0.1, 0.01, 0.001, 0.0001)),
        *(TimeBased(minutes * 60.0) for minutes in (1, 5, 15, 60)),
        *(GammaScaledBand(move, float(max(1, least))) for move in (0.1, 0.25, 0.5, 1.0)),
    )


@dataclass(slots=True)
class _Shadow:
    policy: Policy
    shares: float = 0.0
    cash_usd: float = 0.0
    commissions_usd: float = 0.0
    slippage_usd: float = 0.0
    hedges: int = 0
    traded: float = 0.0
    last_hedge_s: float | None = None
    pnl_usd: float = 0.0
    minutes: Moments = field(default_factory=Moments)
    minute_usd: float = 0.0


class Shadows:
    """All shadow hedgers of one run."""

    def __init__(self, policies: Sequence[Policy], model: FillModel, config: Config) -> None:
        self._shadows = [_Shadow(policy) for policy in policies]
        self._model = model
        self._rate = config.greeks.risk_free_rate
        self._least = config.gates.intent.hedge.min_hedge_shares
        self._minute: int | None = None

    def see(self, step: Step, legs: Sequence[Held], entry_mids: Mapping[ContractKey, float]) -> None:
        """Take one evaluation of the live core; the legs' P&L counts from the mid of their entry, as with the core."""
        evaluation = step.evaluation
        if evaluation is None or not legs or not self._market_open(evaluation):
            return
        marks = self._marks(step, legs)
        view = evaluation.view
        if marks is None or view.spot is None or view.bid is None or view.ask is None:
            return
        options_usd = sum(leg.quantity * leg.multiplier * (marks[leg.key] - entry_mids[leg.key]) for leg in legs)
        delta, gamma = view.option_delta_shares, view.gamma_shares
        minute = int(view.at.wall_s // 60)
        for shadow in self._shadows:
            if delta is not None and gamma is not None:
                self._hedge(shadow, view.at.wall_s, view.spot, (view.bid, view.ask), delta, gamma, legs)
            shadow.pnl_usd = options_usd + shadow.cash_usd + shadow.shares * view.spot - shadow.commissions_usd
            if minute != self._minute:
                if self._minute is not None:
                    shadow.minutes.add(shadow.pnl_usd - shadow.minute_usd)
                shadow.minute_usd = shadow.pnl_usd
        self._minute = minute

    def _market_open(self, evaluation: Evaluation) -> bool:
        return all(gate.passed or gate.name not in _MARKET_GATES for gate in evaluation.gates)

    def _marks(self, step: Step, legs: Sequence[Held]) -> Mapping[ContractKey, float] | None:
        """The day's last good marks of the legs; None before every leg had one."""
        positions = step.state.day.positions
        marks = {leg.key: positions[leg.key].mark for leg in legs if leg.key in positions}
        known = {key: mark for key, mark in marks.items() if mark is not None}
        return known if len(known) == len(legs) else None

    def _hedge(
        self,
        shadow: _Shadow,
        at_s: float,
        spot: float,
        touch: tuple[float, float],
        option_delta: float,
        gamma: float,
        legs: Sequence[Held],
    ) -> None:
        years = max(0.0, (_expiry_s(legs) - at_s) / SECONDS_A_YEAR)
        situation = Situation(
            at_s, spot, option_delta, gamma, shadow.shares, shadow.last_hedge_s, math.exp(-self._rate * years)
        )
        shares = shadow.policy.shares(situation)
        if abs(shares) < max(1, self._least):
            return
        price = touch[1] if shares > 0 else touch[0]
        shadow.shares += shares
        shadow.cash_usd -= shares * price
        shadow.commissions_usd += self._model.stock_commission(abs(shares), abs(shares) * price)
        shadow.slippage_usd += shares * (price - spot)
        shadow.hedges += 1
        shadow.traded += abs(shares)
        shadow.last_hedge_s = at_s

    def rows(self) -> list[dict[str, Any]]:
        """One row a policy: cost against the standard deviation of the hedged P&L by minute, dollars."""
        return [
            {
                "policy": shadow.policy.name,
                "hedges": shadow.hedges,
                "shares_traded": shadow.traded,
                "slippage_usd": shadow.slippage_usd,
                "commissions_usd": shadow.commissions_usd,
                "cost_usd": shadow.slippage_usd + shadow.commissions_usd,
                "pnl_usd": shadow.pnl_usd,
                "std_by_minute_usd": shadow.minutes.std,
            }
            for shadow in self._shadows
        ]


def _expiry_s(legs: Sequence[Held]) -> float:
    """Midnight UTC after the first expiry: near enough for a discount factor."""
    first = min(leg.key.expiry_date for leg in legs)
    return (datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=1)).timestamp()
