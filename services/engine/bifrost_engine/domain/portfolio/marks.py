"""Marks that P&L may be built on: in session, two-sided, not crossed, fresh, confirmed (engine.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bifrost.config import Config
from bifrost.contract import ContractKey

from ..market.market import MarketBook, liquidity_state, valid_mid
from ..view import SessionView
from ..words import LiquidityState

#: Dollars a share by contract.
Marks = Mapping[ContractKey, float]
_NARROW = (LiquidityState.NORMAL, LiquidityState.WIDE)


def good_marks(
    book: MarketBook, keys: Iterable[ContractKey], config: Config, session: SessionView, stale_cause: str
) -> Marks:
    """Dollars a share by contract, only where the mark is good now; a missing one means: keep the last good one."""
    if stale_cause or not session.in_session:
        return {}
    marks: dict[ContractKey, float] = {}
    for key in keys:
        if key == book.stock:
            # The accepted mid is the confirmed one; while a jump waits, neither price is good.
            if book.mid is not None and book.pending is None and liquidity_state(book, config) in _NARROW:
                marks[key] = book.mid
            continue
        mid = valid_mid(book.quotes.get(key))
        if mid is not None and key in book.last_tick_s and key not in book.line_errors:
            marks[key] = mid
    return marks
