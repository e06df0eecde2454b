"""No silent fallback: what the model cannot answer is an exception, and for the engine *invalid* with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bifrost.options
import numpy as np
import pytest
from bifrost.options import ModelError, american, book_greeks, boundary, implied, model, option_greeks, tree

SOURCES = sorted(Path(bifrost.options.__file__).parent.glob("*.py"))
#: Ways to turn a failure into a number: a swallowed exception, NaN made zero, errors of numpy switched off.
SILENT = re.compile(r"nan_to_num|errstate|seterr|suppress\(|except\b(?!.*\braise\b)|\bor 0\.0\b|or 0\b|warnings\.")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_way_to_hide_a_failure_in_the_source(source: Path) -> None:
    hits = [line for line in source.read_text(encoding="utf-8").splitlines() if SILENT.search(line)]
    assert hits == []


@pytest.mark.parametrize(
    "line",
    ["    except ValueError:", "    x = np.nan_to_num(x)", "    with np.errstate(all='ignore'):", "a = b or 0.0"],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert SILENT.search(line)


def nan_like(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan)


FAILURES: list[tuple[Any, str, Callable[..., Any]]] = [
    (model, "european_book", lambda *a: bifrost.options.BookGreeks(*(nan_like(1) for _ in range(6)))),
    (american, "cdf", lambda x: np.full_like(x, np.nan)),
    (american, "boundary", lambda *a: boundary.boundary(-1.0, 0.0, 0.25)),
]


@pytest.mark.parametrize(("module", "name", "broken"), FAILURES, ids=[name for _, name, _ in FAILURES])
def test_a_part_that_fails_makes_no_number(
    module: Any, name: str, broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, broken)
    with pytest.raises((ModelError, ValueError)):
        option_greeks(100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P")


def test_a_broken_tree_makes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "premium", lambda lattice: (nan_like(lattice.strike.size), np.zeros(1, dtype=bool)))
    with pytest.raises(ModelError, match="no finite figures"):
        option_greeks(100.0, 100.0, 0.1, 0.05, 0.0, 0.3, "P", dividends=((0.05, 1.0),))


def test_a_boundary_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "_MOST_STEPS", 2)
    with pytest.raises(ModelError, match=r"no exercise boundary at rate 0\.051"):
        boundary.boundary(0.051, 0.0, 0.25)


def test_a_solution_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implied, "_MAX_STEPS", 1)
    with pytest.raises(ModelError, match="no convergence in 1 steps"):
        implied.implied_volatility(5.0, 100.0, 100.0, 0.1, 0.05, 0.0, "P")


def test_one_bad_leg_fails_the_book_and_is_named() -> None:
    vols = np.array([0.3, 0.3, np.inf])
    with pytest.raises(ModelError, match="iv_annual inf of leg 2"):
        book_greeks(100.0, np.full(3, 100.0), np.full(3, 0.1), 0.05, 0.0, vols, ["C", "P", "P"])


@pytest.mark.parametrize("rate", [-0.01, 0.0, 1e-9])
@pytest.mark.parametrize("q", [0.0, 0.03])
def test_rates_that_the_integral_does_not_reach_are_priced_by_the_tree(rate: float, q: float) -> None:
    """Another method, not another model: at the edge of its reach both give the same price."""
    for right in "CP":
        edge = option_greeks(100.0, 100.0, 0.2, rate, q, 0.3, right).price
        inside = option_greeks(100.0, 100.0, 0.2, max(rate, 0.0) + 2e-6, q, 0.3, right).price
        assert edge == pytest.approx(inside, abs=5e-3 + 25 * abs(rate))
    assert tree.STEPS % 2 == 1
