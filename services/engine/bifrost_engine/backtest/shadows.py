"""The shadow hedgers of a backtest: the standard policies, on the evaluations of its core, from the entry on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bifrost.config import Config
from bifrost.contract import ContractKey

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.policies import FixedBand, GammaScaledBand, Policy, TimeBased, WhalleyWilmott
from bifrost_engine.domain.policies.shadows import Seen, Shadow, first_expiry_s, market_open

from .fills import FillModel
from .legs import Held

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


class Shadows:
    """All shadow hedgers of one run."""

    def __init__(self, policies: Sequence[Policy], model: FillModel, config: Config) -> None:
        self._shadows = [Shadow(policy) for policy in policies]
        self._model = model
        self._rate = config.greeks.risk_free_rate
        self._least = config.gates.intent.hedge.min_hedge_shares

    def see(self, step: Step, legs: Sequence[Held], entry_mids: Mapping[ContractKey, float]) -> None:
        """Take one evaluation of the live core; the legs' P&L counts from the mid of their entry, as with the core."""
        evaluation = step.evaluation
        if not self._shadows or evaluation is None or not legs or not market_open(evaluation.gates):
            return
        marks, view = self._marks(step, legs), evaluation.view
        if marks is None or view.bid is None or view.ask is None:
            return
        seen = Seen(
            view.at.wall_s,
            view.bid,
            view.ask,
            view.option_delta_shares,
            view.gamma_shares,
            sum(leg.quantity * leg.multiplier * (marks[leg.key] - entry_mids[leg.key]) for leg in legs),
            first_expiry_s([leg.key.expiry_date for leg in legs]),
        )
        for shadow in self._shadows:
            shadow.see(seen, self._rate, self._least, self._model.stock_commission)

    def _marks(self, step: Step, legs: Sequence[Held]) -> Mapping[ContractKey, float] | None:
        """The day's last good marks of the legs; None before every leg had one."""
        positions = step.state.day.positions
        marks = {leg.key: positions[leg.key].mark for leg in legs if leg.key in positions}
        known = {key: mark for key, mark in marks.items() if mark is not None}
        return known if len(known) == len(legs) else None

    def rows(self) -> list[dict[str, Any]]:
        """One row a policy."""
        return [shadow.as_row() for shadow in self._shadows]
