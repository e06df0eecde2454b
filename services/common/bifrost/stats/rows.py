"""What statistics are worked out from: rows of one account and mode. Times are epoch seconds of the market's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

#: Purpose of an order that keeps delta in its band; flatten and unwind orders are counted apart.
HEDGE = "hedge"


@dataclass(frozen=True, slots=True)
class OperationRow:
    """A row of ``operations`` with the purpose of its order; fills come as `FillRow`."""

    ts_s: float
    type: str
    purpose: str


@dataclass(frozen=True, slots=True)
class FillRow:
    """An own or inferred execution with its cost. Prices in dollars, ``mid`` the mid at decision."""

    exec_id: str
    order_ref: str
    contract_key: str
    side: str
    quantity: float
    price: float
    multiplier: float
    ts_s: float
    mid: float | None
    commission: float | None
    purpose: str
    replaces_exec_id: str = ""

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1


@dataclass(frozen=True, slots=True)
class DayRow:
    """A row of ``trading_days``."""

    day: date
    pnl_usd: float
    partial: bool


@dataclass(frozen=True, slots=True)
class BlockCount:
    """Evaluations of one market minute that ended in ``reason`` (``blocked:cooldown``, ``none:in_band``, ``hedge``)."""

    minute_s: float
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A stretch of ``status_history`` in which no machine changed; ``recorded`` False: the engine was not there."""

    start_s: float
    stop_s: float
    daemon: str
    trading: str
    hedge: str
    recorded: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """Everything recorded of one account and mode.

    Attributes
    ----------
    fills : tuple of FillRow
        From the first one ever on, in the order they were made: what closes needs what opened.
    always_open : bool
        A simulated market that never closes: every calendar date is a trading day.
    """

    account: str
    mode: str
    always_open: bool = False
    operations: tuple[OperationRow, ...] = ()
    fills: tuple[FillRow, ...] = ()
    days: tuple[DayRow, ...] = ()
    blocks: tuple[BlockCount, ...] = ()
    spans: tuple[StateSpan, ...] = ()
