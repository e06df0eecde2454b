"""The words of the domain: dimensions, sides, modes and the plain values that events and effects carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bifrost.contract import ContractKey


class OptionState(StrEnum):
    NONE = "O0"
    LONG_GAMMA = "O1"
    SHORT_GAMMA = "O2"


class DeltaState(StrEnum):
    IN_BAND = "D0"
    MINOR = "D1"
    HEDGE_NEEDED = "D2"
    FORCE_HEDGE = "D3"
    INVALID = "D4"


class MarketState(StrEnum):
    QUIET = "M0"
    NORMAL = "M1"
    TREND = "M2"
    CHOPPY_HIGHVOL = "M3"
    GAP = "M4"
    STALE = "M5"


class LiquidityState(StrEnum):
    NORMAL = "L0"
    WIDE = "L1"
    EXTREME_WIDE = "L2"
    NO_QUOTE = "L3"


class ExecutionState(StrEnum):
    IDLE = "E0"
    ORDER_WORKING = "E1"
    PARTIAL_FILL = "E2"
    DISCONNECTED = "E3"
    BROKER_ERROR = "E4"


class HealthState(StrEnum):
    OK = "S0"
    GREEKS_BAD = "S1"
    DATA_LAG = "S2"
    RISK_HALT = "S3"


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The six dimensions of one evaluation (engine.md section 2)."""

    option: OptionState
    delta: DeltaState
    market: MarketState
    liquidity: LiquidityState
    execution: ExecutionState
    health: HealthState

    def __str__(self) -> str:
        return " ".join((self.option, self.delta, self.market, self.liquidity, self.execution, self.health))


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @classmethod
    def of(cls, shares: float) -> Side:
        """The side that moves a position by ``shares`` (signed, not zero)."""
        return cls.BUY if shares > 0 else cls.SELL


class Mode(StrEnum):
    """Whose fills count: orders that cross the wire, or fills made inside the engine against the quote."""

    PAPER = "paper"
    LIVE = "live"


class Purpose(StrEnum):
    """Why an order exists; flatten and unwind only ever reduce the engine's own shares."""

    HEDGE = "hedge"
    FLATTEN = "flatten"
    UNWIND = "unwind"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class IntentState(StrEnum):
    INTENT = "intent"
    SENT = "sent"
    WORKING = "working"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NEVER_SENT = "never_sent"


class Origin(StrEnum):
    """Who caused an execution: our order, somebody else in the account, or a fact the engine had to infer."""

    OWN = "own"
    EXTERNAL = "external"
    SYNTHETIC = "synthetic"


#: exec_id of a fill made inside the engine: ``paper:<order_ref>:<n>``.
PAPER_PREFIX = "paper:"


class Trigger(StrEnum):
    """Why the broker's truth was read."""

    STARTUP = "startup"
    RECONNECT = "reconnect"
    PERIODIC = "periodic"
    PROBE = "probe"
    RECOVER = "recover"
    COMMAND = "command"


class OrderErrorKind(StrEnum):
    """What an error code means for the order it names; the adapter knows the broker's codes."""

    INFORMATION = "information"
    """399, 10349, and 202, which only accompanies the Cancelled status."""
    REJECT = "reject"
    """201, 321 ...: refused, unless the order works already."""
    HELD = "held"
    """404: kept back while shares to borrow are looked for; a reject only where it works nowhere."""
    UNCERTAIN = "uncertain"
    """10147, 10148, a refused modify, any code without a rule: says nothing about the outcome."""


@dataclass(frozen=True, slots=True)
class Times:
    """When an event reached the core.

    Attributes
    ----------
    wall_s : float
        Epoch seconds of this machine: time-outs, ages, rates.
    market_s : float or None
        Epoch seconds of the market's clock: session, cooldown, expiry. None until the clock is known.
    """

    wall_s: float
    market_s: float | None

    def not_before(self, other: Times) -> Times:
        """These times, or the other's where they lie behind them."""
        market_s = other.market_s if self.market_s is None else max(self.market_s, other.market_s or self.market_s)
        wall_s = max(self.wall_s, other.wall_s)
        return self if (wall_s, market_s) == (self.wall_s, self.market_s) else Times(wall_s, market_s)


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest state of one market-data line. Prices in dollars; a side that is not quoted is None."""

    key: ContractKey
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    last: float | None
    arrived_wall_s: float
    last_size: float | None = None
    traded: bool = False
    """A trade printed since the previous update of this line."""
    close: float | None = None
    """Last official close, when the feed reports it (tick 9)."""
    halted: bool = False
    shortable_shares: float | None = None
    data_type: int = 1
    """1 live, 2 frozen, 3 delayed, 4 delayed-frozen: what the gateway says of this line."""
    model_iv_annual: float | None = None
    model_delta: float | None = None
    model_wall_s: float | None = None

    @property
    def two_sided(self) -> bool:
        """Both sides present, above zero and not crossed; locked counts as valid (engine.md, L)."""
        return self.bid is not None and self.ask is not None and 0 < self.bid <= self.ask

    @property
    def mid(self) -> float | None:
        return (self.bid + self.ask) / 2 if self.two_sided and self.bid and self.ask else None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the broker reports it, or as the engine had to infer it (``origin`` synthetic)."""

    exec_id: str
    account: str
    key: ContractKey
    side: Side
    quantity: float
    price: float
    time_s: float
    """Broker's time of the execution, epoch seconds of the market's clock."""
    order_ref: str = ""
    perm_id: int = 0
    order_id: int = 0
    client_id: int = 0
    exchange: str = ""
    multiplier: float = 1.0
    origin: Origin = Origin.OWN
    replaces_exec_id: str = ""
    mid_at_decision: float | None = None
    note: str = ""

    @property
    def signed_quantity(self) -> float:
        return self.side.sign * self.quantity

    @property
    def paper(self) -> bool:
        """Filled inside the engine: belongs to the paper ledger whatever mode the engine runs in now."""
        return self.exec_id.startswith(PAPER_PREFIX)


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker shows it in its lists of open or completed orders."""

    order_ref: str
    account: str
    key: ContractKey
    side: Side
    quantity: float
    filled: float
    status: str
    perm_id: int
    order_id: int
    client_id: int
    avg_fill_price: float | None = None
    completed: bool = False
    order_type: str = ""
    limit_price: float | None = None


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """A position as the broker shows it; ``avg_cost`` in dollars, for options including the multiplier."""

    account: str
    key: ContractKey
    quantity: float
    avg_cost: float
    con_id: int = 0
    multiplier: float = 1.0
    trading_class: str = ""


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What the engine is about to send, made durable before it leaves (engine.md section 4.3)."""

    order_ref: str
    decision_seq: int
    account: str
    mode: Mode
    key: ContractKey
    side: Side
    quantity: int
    order_type: OrderType
    limit_price: float | None
    tif: str
    purpose: Purpose
    reason: str
    forced: bool
    mid: float | None
    """Mid at decision, dollars: the reference of slippage."""
    at: Times

    @property
    def signed_quantity(self) -> int:
        return self.side.sign * self.quantity
