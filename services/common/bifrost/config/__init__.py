"""The typed configuration shared by every service."""

from .enums import (
    AdoptMode,
    AfterReprices,
    ClockSource,
    IbPortType,
    OnBreaker,
    OrderType,
    SinkKind,
    StockScope,
    TimeInForce,
    UnwindMode,
)
from .schema import Config
from .windows import WeekWindow

__all__ = [
    "AdoptMode",
    "AfterReprices",
    "ClockSource",
    "Config",
    "IbPortType",
    "OnBreaker",
    "OrderType",
    "SinkKind",
    "StockScope",
    "TimeInForce",
    "UnwindMode",
    "WeekWindow",
]
