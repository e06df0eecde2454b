"""What was decided on each burst of quotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tick:
    """What was decided on one burst of quotes."""

    number: int
    at_s: float
    decision: str
    """``hedge``, ``blocked`` or ``none``."""
    side: str
    quantity: int
    block_reason: str
    net_delta: float | None
    spot: float | None


@dataclass(frozen=True, slots=True)
class QuietTicks:
    """Ticks in a row at which nothing was to be hedged, in columns: net delta in band, or minor."""

    first: int
    """Number of the first one."""
    at_s: NDArray[np.float64]
    minor: NDArray[np.bool_]
    net_delta: NDArray[np.float64]
    spot: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at_s)

    def __iter__(self) -> Iterator[Tick]:
        columns = (column.tolist() for column in (self.at_s, self.minor, self.net_delta, self.spot))
        for number, (at_s, minor, net_delta, spot) in enumerate(zip(*columns, strict=True), start=self.first):
            yield Tick(number, at_s, "none", "", 0, "minor" if minor else "in_band", net_delta, spot)
