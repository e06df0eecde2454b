"""What a gate answers to a view, written down whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from bifrost_engine.domain import gates
from bifrost_engine.domain.view import GateKind, GateResult, OrderView, View

from tests.engine.rule_builders import NOON, READY, times

RISK = "gates.guard.risk."
PACING, BLOCKING = GateKind.PACING, GateKind.BLOCKING


def answer(name: str, seen: View) -> GateResult:
    every = {gate.__name__: gate for gate in (*gates.GATES, *gates.FLATTEN_GATES)}
    return every[name](seen)


def working(signed: int, **changes: Any) -> OrderView:
    return replace(OrderView("BFX", signed, 1.0, within_timeouts=True, probes=0, unresolved=False), **changes)


def at(wall_s: float = NOON, market_s: float | None = NOON) -> Any:
    return replace(times(), wall_s=wall_s, market_s=market_s)


@dataclass(frozen=True)
class Case:
    """What one gate answers to one view."""

    gate: str
    seen: View
    passed: bool
    observed: object
    limit: object
    reason: str = "ok"
    remaining_s: float | None = None
    kind: GateKind = BLOCKING


def pacing(*args: Any, **more: Any) -> Case:
    return Case(*args, **more, kind=PACING)


def dims(**changes: Any) -> dict[str, Any]:
    return {"dimensions": replace(READY, **changes)}


def check(case: Case) -> None:
    """The answer is the one written down, word for word where it matters."""
    said = answer(case.gate, case.seen)
    assert (said.name, said.passed, said.limit, said.kind) == (case.gate, case.passed, case.limit, case.kind)
    observed = case.observed
    assert said.observed == (pytest.approx(observed) if isinstance(observed, float) else observed)
    assert said.reason == case.reason if case.reason in {"ok", "unknown"} else case.reason in said.reason
    remaining_s = case.remaining_s
    assert said.remaining_s == (None if remaining_s is None else pytest.approx(remaining_s))


def names(cases: Iterable[Case]) -> list[str]:
    """For the list of tests: the gate and a number."""
    return [f"{case.gate}-{number}" for number, case in enumerate(cases)]
