"""Shadow hedgers beside the live core, on the same evaluations: cost against variance."""

from __future__ import annotations

from typing import Any

import pytest
from bifrost_engine.backtest.fills import FREE, FillModel
from bifrost_engine.backtest.legs import Entry
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.backtest.shadows import standard_policies
from bifrost_engine.domain.policies import FixedBand, TimeBased

from tests.backtest.made import LEGS, market, rules

QUICK = {"gates__intent__hedge__cooldown_seconds": 0.0, "gates__intent__hedge__min_price_move_pct": 0.0}


def rows(**more: Any) -> list[dict[str, Any]]:
    in_force = rules(**QUICK)
    policies = standard_policies(in_force.config)
    return BacktestRun(in_force, market(5, **more), Entry(LEGS), FillModel(), policies=policies).run().policies


def test_each_policy_pays_more_for_a_book_that_moves_less() -> None:
    """Four settings of each of the four policies: less hedging costs less and leaves more movement."""
    found = rows()
    assert len(found) == 16 and len({row["policy"] for row in found}) == 16
    for first in (0, 4, 8, 12):
        group = found[first : first + 4]
        costs, moves = ([row[name] for row in group] for name in ("cost_usd", "std_by_minute_usd"))
        assert costs == sorted(costs, reverse=True), [row["policy"] for row in group]
        assert moves[0] < moves[-1]
        assert group[0]["hedges"] > group[-1]["hedges"] > 0


def test_a_shadow_with_the_cores_own_rule_hedges_as_the_core_does() -> None:
    """Without latency, sizes and pacing the fixed band at the core's threshold is the core."""
    in_force = rules(**QUICK)
    made = BacktestRun(in_force, market(5, minutes=389), Entry(LEGS), FREE, policies=[FixedBand(25)])
    outcome = made.run()
    (row,) = outcome.policies
    assert row["hedges"] == outcome.tally.hedges > 10
    assert row["shares_traded"] == outcome.tally.shares_traded
    assert row["slippage_usd"] == pytest.approx(outcome.tally.slippage_usd)
    assert row["pnl_usd"] == pytest.approx(outcome.tally.pnl_usd, abs=0.01)


def test_shadows_leave_the_live_core_alone() -> None:
    """With or without them the run is the same: they send nothing and change nothing."""
    alone, watched = (
        BacktestRun(rules(**QUICK), market(5, minutes=120), Entry(LEGS), FillModel(), policies=policies).run()
        for policies in ((), (FixedBand(10), TimeBased(60)))
    )
    assert alone.state == watched.state and alone.tally == watched.tally
