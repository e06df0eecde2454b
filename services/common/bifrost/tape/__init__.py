"""Recorded market data: LEAN folders and CSV; one reader for the simulator and the backtest."""

from .csv_tape import CsvTape, read_csv
from .lean import LeanDay, list_days, list_symbols, write_lean_day
from .rows import BAR_S, NO_PRICE, BadRow, Publication, QuoteRow, TapeError, TradeRow, published

__all__ = [
    "BAR_S",
    "NO_PRICE",
    "BadRow",
    "CsvTape",
    "LeanDay",
    "Publication",
    "QuoteRow",
    "TapeError",
    "TradeRow",
    "list_days",
    "list_symbols",
    "published",
    "read_csv",
    "write_lean_day",
]
