"""Statistics from what the desk has recorded: pure figures over rows, one implementation for CLI and API (R-H2)."""

from .figures import Figures, PeriodFigures, Statistics, statistics
from .money import Distribution, distribution
from .periods import By, Period, StatsError, Window, window
from .rows import BlockCount, DayRow, FillRow, OperationRow, Recorded, StateSpan
from .trips import RoundTrip, counting, round_trips

__all__ = [
    "BlockCount",
    "By",
    "DayRow",
    "Distribution",
    "Figures",
    "FillRow",
    "OperationRow",
    "Period",
    "PeriodFigures",
    "Recorded",
    "RoundTrip",
    "StateSpan",
    "Statistics",
    "StatsError",
    "Window",
    "counting",
    "distribution",
    "round_trips",
    "statistics",
    "window",
]
