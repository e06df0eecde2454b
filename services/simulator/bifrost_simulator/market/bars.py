"""Bars from a series of prices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bifrost_simulator.market.base import RawBar

Floats = NDArray[np.float64]


def group_bars(times_s: Floats, prices: Floats, sizes: Floats | None, origin_s: float, bar_s: float) -> list[RawBar]:
    """Bars of ``bar_s`` seconds aligned to ``origin_s`` (midnight in New York, as IB aligns them).

    ``times_s`` ascends; ``sizes`` are the units traded at each point, None for quotes, whose bars have volume -1.
    A bar without a point does not exist.
    """
    if not len(times_s):
        return []
    number = np.floor((times_s - origin_s) / bar_s).astype(np.int64)
    first = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    last = np.append(first[1:], len(number)) - 1
    high = np.maximum.reduceat(prices, first)
    low = np.minimum.reduceat(prices, first)
    weights = np.ones_like(prices) if sizes is None else np.maximum(sizes, 0.0)
    volume = np.add.reduceat(weights, first)
    value = np.add.reduceat(weights * prices, first)
    bars = []
    for k, (a, b) in enumerate(zip(first, last, strict=True)):
        average = float(value[k] / volume[k]) if volume[k] > 0 else float(prices[a : b + 1].mean())
        bars.append(
            RawBar(
                start_s=origin_s + float(number[a]) * bar_s,
                open=float(prices[a]),
                high=float(high[k]),
                low=float(low[k]),
                close=float(prices[b]),
                volume=-1.0 if sizes is None else float(volume[k]),
                wap=round(average, 6),
                count=int(b - a + 1) if sizes is not None else -1,
            )
        )
    return bars
