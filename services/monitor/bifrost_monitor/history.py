"""How wide a step of GET /history is. Pure."""

from __future__ import annotations

import math
from datetime import datetime

ROUND_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
"""Steps at which people read a chart; beyond a day whole days."""


def step_of(bounds: tuple[datetime, datetime], wanted_s: float | None, limit: int) -> float:
    """Seconds per point: the wanted step, or a wider one that keeps ``limit`` points between ``bounds``.

    Steps are counted from the epoch, so that the same step puts the same rows together whoever asks when; a span can
    therefore touch one step more than it is long.
    """
    span_s = (bounds[1] - bounds[0]).total_seconds()
    least_s = span_s / max(1, limit - 1)
    if wanted_s is not None and wanted_s >= least_s:
        return wanted_s
    for step_s in ROUND_STEPS_S:
        if step_s >= least_s:
            return float(step_s)
    return math.ceil(least_s / 86_400) * 86_400.0
