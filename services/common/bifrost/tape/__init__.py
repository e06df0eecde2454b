"""Recorded market data: LEAN folders, CSV, Parquet (`bifrost.tape.parquet_tape`, which needs pyarrow)."""

from .csv_tape import CsvQuotes
from .lean import LeanDay, list_days, list_symbols, write_lean_day
from .rows import BAR_S, NO_PRICE, BadRow, Publication, QuoteRow, TapeError, TradeRow, published
from .table import QuoteFile

__all__ = [
    "BAR_S",
    "NO_PRICE",
    "BadRow",
    "CsvQuotes",
    "LeanDay",
    "Publication",
    "QuoteFile",
    "QuoteRow",
    "TapeError",
    "TradeRow",
    "list_days",
    "list_symbols",
    "published",
    "write_lean_day",
]
