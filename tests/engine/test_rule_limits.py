"""Comparison with a limit: exact where prices are decimal, never true for what is no number."""

from __future__ import annotations

import math

import pytest
from bifrost_engine.domain.execution.limits import above, at_least, finite

NAN = math.nan
#: Smallest difference that counts, for limits up to one and for larger ones.
SLACK = 1e-9


@pytest.mark.parametrize(
    ("value", "limit", "reached", "beyond"),
    [
        (1.0, 1.0, True, False),
        (100.05 - 99.95, 0.1, True, False),  # 0.0999…94 in binary
        (0.1, 100.05 - 99.95, True, False),
        (0.5 - 0.9 * SLACK, 0.5, True, False),
        (0.5 - 1.1 * SLACK, 0.5, False, False),
        (0.5 + 0.9 * SLACK, 0.5, True, False),
        (0.5 + 1.1 * SLACK, 0.5, True, True),
        # Beyond one the difference grows with the limit, whatever its sign.
        (4000.0 - 3900 * SLACK, 4000.0, True, False),
        (4000.0 - 4100 * SLACK, 4000.0, False, False),
        (4000.0 + 3900 * SLACK, 4000.0, True, False),
        (4000.0 + 4100 * SLACK, 4000.0, True, True),
        (-4000.0 - 3900 * SLACK, -4000.0, True, False),
        (-4000.0 - 4100 * SLACK, -4000.0, False, False),
        (-4000.0 + 3900 * SLACK, -4000.0, True, False),
        (-4000.0 + 4100 * SLACK, -4000.0, True, True),
        (0.0 - 0.9 * SLACK, 0.0, True, False),
        (0.0 + 1.1 * SLACK, 0.0, True, True),
        (-SLACK, 0.0, True, False),
        (SLACK, 0.0, True, False),
        (NAN, 1.0, False, False),
        (1.0, NAN, False, False),
        (math.inf, 1.0, True, True),
        (-math.inf, 1.0, False, False),
    ],
)
def test_at_least_and_above(value: float, limit: float, reached: bool, beyond: bool) -> None:
    assert at_least(value, limit) is reached
    assert above(value, limit) is beyond


@pytest.mark.parametrize(("value", "kept"), [(1.5, 1.5), (0.0, 0.0), (-2.0, -2.0), (None, None), (NAN, None),
                                             (math.inf, None), (-math.inf, None)])  # fmt: skip
def test_only_real_numbers_pass_as_data(value: float | None, kept: float | None) -> None:
    assert finite(value) == kept
