"""Executions are folded once, corrections count instead of what they correct (engine.md sections 3 and 4.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bifrost_engine.domain.ledger.ledger import Holding, Ledger, add_commission, fold, fold_all, synthetic_for
from bifrost_engine.domain.words import Execution, Origin
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import STOCK, execution


def folded(*executions: Execution) -> Ledger:
    ledger = Ledger()
    for one in executions:
        ledger, _ = fold(ledger, one)
    return ledger


def test_an_execution_counts_once() -> None:
    """INV-L2."""
    ledger, new = fold(Ledger(), execution("a.1.01", 100, 50.0, order_ref="BF1"))
    again, repeated = fold(ledger, execution("a.1.01", 100, 50.0, order_ref="BF1"))
    assert new and not repeated and again is ledger
    assert ledger.position(STOCK) == 100


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        ([(100, 50.0), (100, 52.0)], Holding(200, 51.0, 0.0)),
        ([(100, 50.0), (-40, 52.0)], Holding(60, 50.0, 80.0)),
        ([(100, 50.0), (-100, 49.0)], Holding(0.0, 0.0, -100.0)),
        ([(100, 50.0), (-150, 52.0)], Holding(-50, 52.0, 200.0)),
        ([(-100, 50.0), (100, 49.0)], Holding(0.0, 0.0, 100.0)),
        ([(-100, 50.0), (150, 49.0)], Holding(50, 49.0, 100.0)),
    ],
)
def test_average_cost(trades: list[tuple[float, float]], expected: Holding) -> None:
    ledger = folded(*(execution(f"x.{i}.01", *trade) for i, trade in enumerate(trades)))
    assert ledger.holding(STOCK) == expected
    assert ledger.realized_usd == expected.realized_usd


def test_a_correction_with_a_higher_suffix_supersedes() -> None:
    """INV-L3."""
    first = execution("0000e0d5.6531.01.01", 100, 50.0, order_ref="BF1")
    second = execution("0000e0d5.6531.01.02", 90, 51.0, order_ref="BF1")
    for order in ((first, second), (second, first)):
        ledger = folded(*order)
        assert ledger.position(STOCK) == 90
        assert ledger.holding(STOCK).average_price == 51.0
        assert ledger.fills("BF1").quantity == 90 and ledger.fills("BF1").average_price == 51.0
        assert set(ledger.executions) == {first.exec_id, second.exec_id}


def test_other_executions_of_the_same_order_are_no_corrections() -> None:
    ledger = folded(
        execution("e.1.01.01", 60, 50.0, order_ref="BF1"), execution("e.1.02.01", 40, 51.0, order_ref="BF1")
    )
    assert ledger.fills("BF1").quantity == 100
    assert ledger.fills("BF1").average_price == pytest.approx(50.4)
    assert ledger.fills("BF2").quantity == 0


def test_the_real_report_replaces_a_synthetic_execution() -> None:
    """INV-L3."""
    guessed = execution("recon:BF1", 100, 50.0, order_ref="BF1", origin=Origin.SYNTHETIC)
    ledger = folded(guessed)
    assert synthetic_for(ledger, "BF1") == guessed
    real = execution("e.1.01", 100, 50.02, order_ref="BF1", replaces_exec_id="recon:BF1")
    ledger, new = fold(ledger, real)
    assert new and ledger.position(STOCK) == 100
    assert ledger.holding(STOCK).average_price == 50.02
    assert synthetic_for(ledger, "BF1") is None
    assert [one.exec_id for one in ledger.counted()] == ["e.1.01"]
    assert folded(real, guessed).position(STOCK) == 100


def test_a_correction_rewrites_what_followed() -> None:
    ledger = folded(execution("a.1.01", 100, 50.0), execution("b.1.01", -100, 52.0), execution("a.1.02", 100, 51.0))
    assert ledger.position(STOCK) == 0
    assert ledger.realized_usd == pytest.approx(100.0)


def test_commissions_of_superseded_executions_do_not_count() -> None:
    ledger = folded(execution("a.1.01", 100, 50.0), execution("a.1.02", 100, 50.1))
    ledger = add_commission(add_commission(ledger, "a.1.01", 1.0), "a.1.02", 1.1)
    assert ledger.commissions_usd == pytest.approx(1.1)
    assert add_commission(ledger, "a.1.02", 1.2).commissions_usd == pytest.approx(1.2)


def test_multiplier_counts_in_realized_pnl() -> None:
    ledger = folded(execution("a", 2, 3.0, multiplier=100.0), execution("b", -2, 4.0, multiplier=100.0))
    assert ledger.realized_usd == pytest.approx(200.0)


TRADES = st.lists(st.tuples(st.integers(-300, 300).filter(bool), st.floats(10, 500)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(trades=TRADES, mark=st.floats(10, 500))
def test_position_is_the_sum_of_fills_and_pnl_the_sum_of_cash(trades: list[tuple[int, float]], mark: float) -> None:
    """INV-L1."""
    executions = [execution(f"x.{i}.01", signed, price) for i, (signed, price) in enumerate(trades)]
    ledger, all_at_once = folded(*executions), fold_all(executions, {})
    assert ledger == all_at_once
    assert ledger.position(STOCK) == sum(signed for signed, _ in trades)
    holding = ledger.holding(STOCK)
    total = holding.realized_usd + holding.quantity * (mark - holding.average_price)
    cash = sum(-signed * price for signed, price in trades) + ledger.position(STOCK) * mark
    assert total == pytest.approx(cash, abs=1e-6 * sum(abs(signed) * price for signed, price in trades) + 1e-6)


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(6)))
def test_corrections_leave_the_same_position_whatever_their_order(order: list[int]) -> None:
    """INV-L3."""
    reports = [
        execution(f"r.{root}.{suffix:02d}", 10 * suffix, 50.0 + suffix, order_ref=f"BF{root}")
        for root in (1, 2)
        for suffix in (1, 2, 3)
    ]
    ledger = folded(*(reports[index] for index in order))
    assert ledger.position(STOCK) == 60
    assert ledger.fills("BF1").quantity == 30


def test_repeats_of_everything_change_nothing() -> None:
    """INV-L2."""
    reports = [execution("r.1.01", 10, 50.0), execution("r.1.02", 20, 51.0), execution("s.1.01", -5, 52.0)]
    once, twice = folded(*reports), folded(*reports, *(replace(one) for one in reports))
    assert once == twice
