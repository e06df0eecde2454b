"""What counts as growth. Pure: series of figures in, sentences out.

The first quarter of a run is warm-up: caches fill, connections are made. Afterwards

* memory of a process may rise, by the median of all slopes between two samples (Theil-Sen: a burst does not bend it),
  by no more than 2 MB plus 5 % of its median over the whole rest of the run; the simulator's journal keeps the last
  100,000 messages that are no ticks in memory, so 2 kB more are allowed for each one that it kept meanwhile;
* threads, file descriptors, processes and market data lines, and rows and bytes of tables that retention or their key
  keeps small, may in the last third be no more than they ever were in the first third of the rest, and a little slack
  (sessions of the database come and go: four of them, and the files they open);
* tables that are kept for ever may take no more bytes for an order at the end than before, and a little slack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WARM_UP = 0.25
MEMORY_SLACK_MB, MEMORY_SLACK_SHARE = 2.0, 0.05
JOURNAL_RING, JOURNAL_ENTRY_MB = 100_000, 0.002
#: So many samples at most enter the slopes: all pairs of them are compared.
_SLOPE_SAMPLES = 200


@dataclass(frozen=True)
class Series:
    """One figure over time.

    Attributes
    ----------
    at_s : sequence of float
        Seconds since the run began, ascending.
    values : sequence of float
        As many.
    """

    name: str
    at_s: Sequence[float]
    values: Sequence[float]

    def after(self, share: float) -> Series:
        """The part that begins after ``share`` of the span."""
        begin_s = self.at_s[0] + share * (self.at_s[-1] - self.at_s[0])
        kept = [(s, value) for s, value in zip(self.at_s, self.values, strict=True) if s >= begin_s]
        return Series(self.name, [s for s, _ in kept], [value for _, value in kept])


def slope(series: Series) -> float:
    """Median of the slopes between all pairs of samples, per second (Theil 1950, Sen 1968)."""
    step = max(1, len(series.values) // _SLOPE_SAMPLES)
    points = list(zip(series.at_s, series.values, strict=True))[::step]
    return median(
        (later - earlier) / (later_s - earlier_s)
        for number, (earlier_s, earlier) in enumerate(points)
        for later_s, later in points[number + 1 :]
    )


def memory_growth(series: Series, kept_mb: float = 0.0, warm_up: float = WARM_UP) -> tuple[float, float]:
    """Megabytes by which memory rose after warm-up, and how many it may, ``kept_mb`` of them by design."""
    rest = series.after(warm_up)
    allowed = MEMORY_SLACK_MB + MEMORY_SLACK_SHARE * median(rest.values) + kept_mb
    return slope(rest) * (rest.at_s[-1] - rest.at_s[0]), allowed


def journal_mb(messages: Series, warm_up: float = WARM_UP) -> float:
    """Megabytes by which the simulator's journal may grow: ``messages`` counts what it was given."""
    rest = messages.after(warm_up)
    kept = min(rest.values[-1], JOURNAL_RING) - min(rest.values[0], JOURNAL_RING)
    return max(0.0, kept) * JOURNAL_ENTRY_MB


def memory_verdict(series: Series, kept_mb: float = 0.0, warm_up: float = WARM_UP) -> str:
    """Why memory grows; empty when it does not."""
    grown, allowed = memory_growth(series, kept_mb, warm_up)
    return "" if grown <= allowed else f"{series.name} grew by {grown:.1f} MB after warm-up, {allowed:.1f} are allowed"


def level_verdict(series: Series, slack: float = 0.0, slack_share: float = 0.0, warm_up: float = WARM_UP) -> str:
    """Why a level rises: the most in the last third of the rest against the most in its first third."""
    rest = series.after(warm_up)
    end_s = rest.at_s[-1]
    third_s = (end_s - rest.at_s[0]) / 3.0
    before = max(v for s, v in zip(rest.at_s, rest.values, strict=True) if s <= rest.at_s[0] + third_s)
    after = max(v for s, v in zip(rest.at_s, rest.values, strict=True) if s >= end_s - third_s)
    allowed = before * (1.0 + slack_share) + slack
    return "" if after <= allowed else f"{series.name} rose from {before:g} to {after:g}, {allowed:g} are allowed"


def per_order_verdict(name: str, used: Series, orders: Series, slack_share: float, warm_up: float = WARM_UP) -> str:
    """Why a table that is kept for ever takes more than its orders explain: bytes an order, end against warm-up."""
    rest, counted = used.after(warm_up), orders.after(warm_up)
    first, last = rest.values[0] / max(counted.values[0], 1.0), rest.values[-1] / max(counted.values[-1], 1.0)
    if last <= first * (1.0 + slack_share):
        return ""
    return f"{name} takes {last:.0f} bytes an order, {first:.0f} after warm-up"
