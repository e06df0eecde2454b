"""Marks that P&L may be built on: in session, two-sided, not crossed, fresh, confirmed (engine.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bifrost.config import Config
from bifrost.contract import ContractKey

from .market import MarketBook
from .view import SessionView

Marks = Mapping[ContractKey, float]


def good_marks(
    book: MarketBook, keys: Iterable[ContractKey], config: Config, session: SessionView, stale_cause: str
) -> Marks:
    """Dollars a share by contract, only where the mark is good now; a missing one means: keep the last good one."""
    raise NotImplementedError
