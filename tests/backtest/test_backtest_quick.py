"""The quick path of a backtest says what the full path says (docs/backtest-quick.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.backtest.legs import Entry, Held
from bifrost_engine.backtest.market import QuotesInMemory
from bifrost_engine.backtest.quick import QuickRun, look
from bifrost_engine.backtest.shadows import standard_policies
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.backtest.made import STOCK, rules
from tests.backtest.quick_tapes import EXPIRY, LATER, Case, Weather, compare, leg, tape

RARE = st.sampled_from((0.0, 0.0, 0.01, 0.05))


@st.composite
def weathers(draw: st.DrawFn) -> Weather:
    bursts = draw(st.integers(100, 240))
    late = draw(st.integers(0, 4)) == 4
    return Weather(
        seed=draw(st.integers(0, 10_000)),
        bursts=bursts,
        steps_s=draw(st.sampled_from(((1.0,), (0.25, 0.5), (1.0, 2.0, 0.3), (5.0, 20.0), (60.0,)))),
        realized=draw(st.sampled_from((0.2, 0.5, 1.0))),
        stock_quoted=draw(st.sampled_from((1.0, 1.0, 0.7))),
        leg_quoted=draw(st.sampled_from((0.2, 0.5, 1.0))),
        no_quote=draw(RARE),
        wide=draw(RARE),
        jump=draw(RARE) / 5,
        gap=draw(RARE) / 5,
        nonsense=draw(RARE),
        start_s=390 * 60.0 - 150.0 if late else draw(st.sampled_from((1800.0, 1800.0, 2.0))),
        over_night_at=draw(st.integers(bursts // 2, bursts)) if late else None,
    )


@st.composite
def legs(draw: st.DrawFn) -> tuple[Held, ...]:
    contracts = draw(
        st.lists(
            st.tuples(st.sampled_from((120.0, 138.0, 140.0, 142.5)), st.sampled_from("CP"),
                      st.sampled_from((EXPIRY, LATER))),
            min_size=1, max_size=4, unique=True,
        )
    )  # fmt: skip
    return tuple(Held(leg(*contract), float(draw(st.sampled_from((-12, -3, 4, 8))))) for contract in contracts)


KEYS: dict[str, st.SearchStrategy[Any]] = {
    "gates.state.delta.threshold_hedge_shares": st.sampled_from((12.0, 25.0, 60.0)),
    "gates.state.delta.epsilon_band": st.sampled_from((0.0, 5.0, 10.0)),
    "gates.intent.hedge.cooldown_seconds": st.sampled_from((0.0, 7.0, 60.0)),
    "gates.intent.hedge.min_price_move_pct": st.sampled_from((0.0, 0.2)),
    "gates.intent.hedge.max_hedge_shares_per_order": st.sampled_from((500, 30)),
    "gates.guard.risk.max_daily_hedge_count": st.sampled_from((50, 50, 4)),
    "gates.guard.risk.max_daily_loss_usd": st.sampled_from((5000.0, 5000.0, 5000.0, 150.0)),
    "gates.state.market.gap_pct": st.sampled_from((1.0, 0.1)),
    "daemon.reconcile_interval_s": st.sampled_from((30.0, 3.0)),
    "order.order_type": st.sampled_from(("market", "limit")),
    "greeks.risk_free_rate": st.sampled_from((0.0, 0.0, 0.0, 0.05)),
    "greeks.dividend_yield": st.sampled_from((0.0, 0.0, 0.0, 0.02)),
}
CASES = st.builds(
    Case,
    weathers(),
    legs(),
    st.builds(FillModel, latency_s=st.sampled_from((0.5, 0.0, 0.5, 0.9, 0.5, 0.9, 3.0))),
    st.fixed_dictionaries(KEYS),
)


@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(CASES)
def test_quick_and_full_agree_on_any_tape(case: Case) -> None:
    compare(case)


def test_the_quick_path_spares_the_core_most_of_a_calm_tape() -> None:
    full, quick = compare(Case(Weather(bursts=900)))
    assert quick.outcome.tally.skipped > 0.7 * full.calls
    assert quick.outcome.tally.hedges > 0


PLANTED: dict[str, tuple[Case, Callable[[pytest.MonkeyPatch], None]]] = {
    "a band looked at too narrowly": (
        Case(Weather(bursts=400, realized=1.0)),
        lambda patch: patch.setattr(look, "MARGIN_SHARES", -3.0),
    ),
    "a jump not seen": (
        Case(Weather(bursts=200, jump=0.03, seed=3), (Held(leg(140.0, "C"), 1.0),)),
        lambda patch: patch.setattr(look, "_doubt_the_stock", lambda *_: None),
    ),
    "the loss limit forgotten": (
        Case(Weather(bursts=300, realized=0.9), keys={"gates.guard.risk.max_daily_loss_usd": 20.0}),
        lambda patch: patch.setattr(look, "_loss", lambda _, pnl_usd: pnl_usd != pnl_usd),
    ),
    "a volatility too old": (
        Case(Weather(bursts=400, leg_quoted=0.01, seed=2), keys={"gates.state.delta.epsilon_band": 0.0}),
        lambda patch: patch.setattr(look, "FRESH_S", 1e9),
    ),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_is_seen(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, plant = PLANTED[mistake]
    compare(case)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        compare(case)


def test_what_needs_every_evaluation_is_refused() -> None:
    case = Case()
    market = QuotesInMemory(STOCK, list(tape(case.weather, case.legs)))
    with pytest.raises(ValueError, match="full path alone"):
        QuickRun(rules(), market, Entry(case.legs), case.model, policies=standard_policies(rules().config))
