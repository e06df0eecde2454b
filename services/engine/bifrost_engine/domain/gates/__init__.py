"""The gates, one rule a file, in the order in which they are asked (engine.md section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..view import GateResult, View

Gate = Callable[[View], GateResult]
GATES: tuple[Gate, ...] = ()
FLATTEN_GATES: tuple[Gate, ...] = ()
UNWIND_GATES: tuple[Gate, ...] = ()


def evaluate(view: View, gates: tuple[Gate, ...] = GATES) -> tuple[GateResult, ...]:
    """Every gate's answer, in order: none is skipped because an earlier one failed."""
    return tuple(gate(view) for gate in gates)


def first_failing(results: Iterable[GateResult]) -> GateResult | None:
    """The block reason, None when all passed."""
    return next((result for result in results if not result.passed), None)


def flatten_gates(force: bool) -> tuple[Gate, ...]:
    """The gates of the operator's flatten; ``force`` overrides not_reconciled and nothing else."""
    raise NotImplementedError
