"""What the hedger knows. Frozen: `decide` returns a new one, so an exception half way changes nothing.

What changes with each event has no slots, so that `evolve` can copy it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey

from .ledger.ledger import Ledger
from .machines.hedge import HedgeState
from .machines.trading import TradingState
from .market.market import MarketBook
from .portfolio.portfolio import Exposure, Leg, PortfolioMemory
from .trading_day.trading_day import TradingDay
from .words import BrokerPosition, Dimensions, IntentState, Mode, OptionState, OrderIntent, OrderType, Purpose, Trigger


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions depend on besides state and event: the validated configuration and the exchange's calendar."""

    config: Config
    config_hash: str
    calendar: TradingCalendar


@dataclass(frozen=True)
class Link:
    """The connection to IB as the core sees it; times are wall seconds."""

    up: bool = False
    up_since_s: float | None = None
    client_id: int = 0
    accounts: tuple[str, ...] = ()
    trusted: bool = True
    lost_1100: bool = False
    last_arrival_s: float | None = None
    reason: str = "not connected yet"

    @property
    def usable(self) -> bool:
        """Up, and the gateway has IB behind it."""
        return self.up and not self.lost_1100


@dataclass(frozen=True, slots=True)
class Difference:
    """The broker and we disagree on a contract; quantities signed."""

    key: ContractKey
    expected: float
    observed: float
    what: str

    def as_row(self) -> dict[str, object]:
        return {"contract_key": str(self.key), "expected": self.expected, "observed": self.observed, "what": self.what}


@dataclass(frozen=True, slots=True)
class Foreign:
    """What others have traded of a contract: signed quantity, and that times the price, dollars a share."""

    quantity: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True)
class Reconciliation:
    """Where the comparison with the broker stands; times are wall seconds."""

    done: bool = False
    reason: str = "no reconciliation since start"
    trigger: Trigger = Trigger.STARTUP
    """What the first truth on this link is for."""
    asked_s: float | None = None
    """A truth is being read since then."""
    failed_s: float | None = None
    """The last reading failed then."""
    read_s: float | None = None
    """The broker's truth was last read then; None since the link came up."""
    compared_s: float | None = None
    suspects: tuple[Difference, ...] = ()
    suspects_s: float | None = None
    blocked: tuple[Difference, ...] = ()
    """Agreed by two comparisons and unexplained: waits for accept_positions."""


@dataclass(frozen=True, slots=True)
class OrderInFlight:
    """The one order under way, from intent to known end. Times are wall seconds."""

    intent: OrderIntent
    order_type: OrderType
    limit_price: float | None
    order_id: int = 0
    perm_id: int = 0
    status: str = ""
    why_held: str = ""
    filled: int = 0
    acknowledged: bool = False
    counted: bool = False
    sent_s: float | None = None
    reprices: int = 0
    ending: str = ""
    """Why the order ends, once that is known: a key of `INTENT_STATE_OF_ENDING`."""
    failed: bool = False
    """It ended otherwise than filled or cancelled by us: counts as a failed hedge."""
    cancel_asked: bool = False
    """We have asked for its cancel: a Cancelled that a probe finds is then our own doing."""
    gave_up: bool = False
    """It outlived its time: with nothing filled it counts as a failed hedge, though the cancel was ours."""
    probes: int = 0
    probe_s: float | None = None
    gone_s: float | None = None
    """When a probe first found no trace of it."""
    asked_operator: bool = False
    last_error: str = ""
    refusal: str = ""
    """What the broker said against it without ending it (404): the reason of a reject if it works nowhere."""
    price_refused: str = ""
    """Why the last reprice was not sent: the order keeps its price meanwhile."""

    @property
    def order_ref(self) -> str:
        return self.intent.order_ref

    @property
    def remaining(self) -> int:
        return self.intent.quantity - self.filled

    @property
    def signed_remaining(self) -> int:
        return self.intent.side.sign * self.remaining


@dataclass(frozen=True, slots=True)
class FlattenTask:
    """A flatten under way: which command asked, where it goes, what it has done so far."""

    command_id: int
    target: str
    force: bool
    purpose: Purpose
    started_s: float
    start_shares: float
    orders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Minute:
    """Evaluations per reason in the current market minute."""

    start_s: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    recorded_s: float = 0.0
    """Wall time of their last record."""


@dataclass(frozen=True)
class State:
    """Everything `decide` carries from one event to the next."""

    account: str
    mode: Mode
    stock: ContractKey
    book: MarketBook
    ledger: Ledger
    live_ledger: Ledger
    """The ledger the broker is compared with; the same as `ledger` in live mode."""
    day: TradingDay
    link: Link = Link()
    recon: Reconciliation = Reconciliation()
    # outside conditions
    leading: bool = False
    suspended: bool | None = None
    database_available: bool = False
    database_reason: str = "not connected yet"
    stopping: str = ""
    # positions
    legs: Mapping[ContractKey, Leg] = field(default_factory=dict)
    """Managed and released legs by contract."""
    positions: tuple[BrokerPosition, ...] | None = None
    """The trading account at the broker; None until it has answered since the link came up."""
    external_shares: float | None = None
    external_confirmed: bool = False
    external_seen: frozenset[str] = frozenset()
    external_pending: Mapping[ContractKey, Foreign] = field(default_factory=dict)
    """Foreign executions since the last comparison, by contract: they explain differences."""
    buying_power: float | None = None
    # machines
    trading: TradingState = TradingState.BOOT
    trading_since_s: float = 0.0
    safe_cause: str = ""
    safe_clear_s: float | None = None
    """When the cause of SAFE was first seen gone."""
    data_bad_s: float | None = None
    """Since when M5 or L3 holds."""
    data_bad_cause: str = ""
    hedge: HedgeState = HedgeState.EXEC_IDLE
    hedge_since_s: float = 0.0
    order: OrderInFlight | None = None
    restored: tuple[OrderInFlight, ...] = ()
    """Unresolved intents of an earlier life, waiting for their turn to be probed."""
    ended: Mapping[str, float] = field(default_factory=dict)
    """When orders of this life came to their end, wall seconds by order_ref: the newest ones."""
    failures: int = 0
    retry_after_s: float = 0.0
    order_times_s: tuple[float, ...] = ()
    last_fill_s: float | None = None
    """Market time of the newest fill of an order of ours, late ones included: the cooldown counts from it."""
    executed_s: float | None = None
    """Wall time at which an own execution was last told: positions need a moment to follow."""
    ended_with_fills: bool = False
    """An order just ended with fills: the next evaluation stores the reference of min_price_move."""
    ended_residue: bool = False
    flatten: FlattenTask | None = None
    orphan_since_s: float | None = None
    # numbers
    sequence_next: int = 0
    sequence_stop: int = 0
    # memory of the last evaluation
    option_state: OptionState = OptionState.LONG_GAMMA
    dimensions: Dimensions | None = None
    exposure: Exposure | None = None
    portfolio: PortfolioMemory = field(default_factory=PortfolioMemory)
    last_decision: str = ""
    minute: Minute = Minute()
    alerted: Mapping[str, float] = field(default_factory=dict)
    """Wall time of the last alert per code: repeated ones are held back."""
    started_s: float = 0.0


def order_ref_of(account: str, mode: Mode, sequence: int) -> str:
    """``BF`` + the first 20 base32 characters of blake2b(account|mode|sequence) (contracts.md)."""
    digest = hashlib.blake2b(f"{account}|{mode}|{sequence}".encode(), digest_size=16).digest()
    return "BF" + base64.b32encode(digest).decode().rstrip("=")[:20]


#: What an intent's row says once its order has come to a known end.
INTENT_STATE_OF_ENDING = {
    "filled": IntentState.FILLED,
    "cancelled": IntentState.CANCELLED,
    "cancelled_by_broker": IntentState.CANCELLED,
    "rejected": IntentState.REJECTED,
    "never_sent": IntentState.NEVER_SENT,
    "resolved": IntentState.CANCELLED,
}
