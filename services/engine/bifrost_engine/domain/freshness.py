"""Whether the feed can be trusted, and the market's regime (engine.md section 2, "Freshness" and M)."""

from __future__ import annotations

from collections.abc import Iterable

from bifrost.config import Config
from bifrost.contract import ContractKey

from .market import MarketBook
from .view import SessionView
from .words import MarketState, Times


def data_lag_ms(book: MarketBook, at: Times) -> float | None:
    """Milliseconds of wall time: the larger of the silence of the connection and the age of the oldest tick that this
    evaluation is the first to see. None while there is no connection."""
    raise NotImplementedError


def staleness(
    book: MarketBook,
    at: Times,
    config: Config,
    session: SessionView,
    managed_keys: Iterable[ContractKey],
    account: str = "",
) -> str:
    """Why the market is stale (M5), with the numbers; empty when it is not.

    ``account`` decides whether delayed data may pass: only on simulated and paper accounts, with `allow_delayed`.
    """
    raise NotImplementedError


def market_state(book: MarketBook, at: Times, config: Config, stale_cause: str) -> MarketState:
    """M, first match in the order M5, M4, M3, M2, M0, M1."""
    raise NotImplementedError
