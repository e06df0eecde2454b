"""The words that a configuration key may take."""

from __future__ import annotations

from enum import StrEnum


class OrderType(StrEnum):
    """How a hedge goes to the market."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    """IB's time in force; always set on an order (an unset one is preset by TWS, 10349)."""

    DAY = "DAY"
    IOC = "IOC"
    GTC = "GTC"


class AfterReprices(StrEnum):
    """What follows the last reprice of a limit order."""

    MARKET = "market"
    GIVE_UP = "give_up"


class AdoptMode(StrEnum):
    """Whether an option position that fits the structure is adopted by itself."""

    AUTO = "auto"
    MANUAL = "manual"


class UnwindMode(StrEnum):
    """What happens to an orphan hedge whose cause is explained."""

    AUTO = "auto"
    ALERT = "alert"


class StockScope(StrEnum):
    """Which shares count: those the strategy traded, or all of the account."""

    STRATEGY = "strategy"
    ACCOUNT = "account"


class OnBreaker(StrEnum):
    """What a latched circuit breaker still lets through."""

    HALT = "halt"
    FORCED_ONLY = "forced_only"


class SinkKind(StrEnum):
    """Where status and operations are written."""

    POSTGRES = "postgres"
    NONE = "none"


class Severity(StrEnum):
    """How much an alert matters, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ClockSource(StrEnum):
    """Where market time comes from."""

    WALL = "wall"
    SIMULATOR = "simulator"


class IbPortType(StrEnum):
    """The named IB ports of table ``settings``."""

    TWS_LIVE = "tws_live"
    TWS_PAPER = "tws_paper"
    GATEWAY = "gateway"
    GATEWAY_LIVE = "gateway_live"

    @property
    def port(self) -> int:
        return _PORTS[self]

    @property
    def live(self) -> bool:
        """True for the ports behind which a funded account is expected."""
        return self in (IbPortType.TWS_LIVE, IbPortType.GATEWAY_LIVE)


_PORTS = {
    IbPortType.TWS_LIVE: 7496,
    IbPortType.TWS_PAPER: 7497,
    IbPortType.GATEWAY: 4002,
    IbPortType.GATEWAY_LIVE: 4001,
}


def port_type_of(port: int) -> IbPortType | None:
    """The port type with this number, None for a port of one's own."""
    return next((kind for kind, number in _PORTS.items() if number == port), None)
