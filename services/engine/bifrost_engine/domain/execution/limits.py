"""Comparison with a limit that is exact where prices are decimal: 100.05 − 99.95 counts as 0.10, not as 0.0999…9."""

from __future__ import annotations

import math

_SLACK = 1e-9


def at_least(value: float, limit: float) -> bool:
    """``value >= limit``, with the rounding of binary fractions forgiven. NaN is never at least anything."""
    return value >= limit - _SLACK * max(1.0, abs(limit))


def above(value: float, limit: float) -> bool:
    """``value > limit``, with the rounding of binary fractions forgiven. NaN is never above anything."""
    return value > limit + _SLACK * max(1.0, abs(limit))


def finite(value: float | None) -> float | None:
    """``value`` when it is a real number, else None: NaN and infinity never pass as data."""
    return value if value is not None and math.isfinite(value) else None
