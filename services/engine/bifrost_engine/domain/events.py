"""What has happened: the inputs of `decide`, each with both times. A tape is a list of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bifrost.contract import ContractKey

from .words import BrokerOrder, BrokerPosition, Execution, OrderErrorKind, Quote, Times, Trigger


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A beat of the clock (four a second): time-outs and ages are looked at even when nothing else happens."""

    at: Times
    last_arrival_s: float | None
    """Wall time of the last byte of anything from the gateway; None while there is no connection."""


@dataclass(frozen=True, slots=True)
class QuotesChanged:
    """The newest state of every line that ticked since the last evaluation: a burst costs one event."""

    at: Times
    quotes: tuple[Quote, ...]
    oldest_tick_s: float
    """Wall arrival of the oldest tick in this burst."""
    last_arrival_s: float | None


@dataclass(frozen=True, slots=True)
class LineFailed:
    """The gateway will not deliver a line (354, 10167, 10197, 200, 101 ...); ``key`` None means the whole feed."""

    at: Times
    key: ContractKey | None
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class FarmChanged:
    """2103 to 2119, 2157 and 2158: what the gateway says of a data farm. 2103/2105 break it, 2104/2106 restore it."""

    at: Times
    code: int
    farm: str
    text: str = ""
    """What the code means, for the operator."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The socket is up and the login is answered; trading waits for reconciliation all the same."""

    at: Times
    accounts: tuple[str, ...]
    client_id: int
    trusted: bool = True
    """False when the managed accounts are not those of the simulator whose clock we follow (contracts.md)."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The socket has gone."""

    at: Times
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectivityLost:
    """1100: the gateway lost IB; the socket stands."""

    at: Times


@dataclass(frozen=True, slots=True)
class ConnectivityRestored:
    """1101 (subscriptions lost, made again by the adapter) or 1102 (kept)."""

    at: Times
    code: int


@dataclass(frozen=True, slots=True)
class AccountReported:
    """Values of the trading account that rules look at, dollars."""

    at: Times
    buying_power: float | None
    net_liquidation: float | None


@dataclass(frozen=True, slots=True)
class PositionsReported:
    """All positions of the trading account, pushed by the gateway when one changed."""

    at: Times
    positions: tuple[BrokerPosition, ...]


@dataclass(frozen=True, slots=True)
class BrokerTruth:
    """Open orders, completed orders, executions and positions, each read to its end marker.

    ``ok`` False means a query failed: the answer is unknown, never empty.
    """

    at: Times
    trigger: Trigger
    ok: bool
    asked_wall_s: float
    failure: str = ""
    open_orders: tuple[BrokerOrder, ...] = ()
    completed_orders: tuple[BrokerOrder, ...] = ()
    executions: tuple[Execution, ...] = ()
    positions: tuple[BrokerPosition, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentDurable:
    """The intent is committed (or fdatasynced to the spool): the order may leave."""

    at: Times
    order_ref: str


@dataclass(frozen=True, slots=True)
class IntentFailed:
    """The intent could not be made durable: nothing leaves."""

    at: Times
    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """placeOrder has been handed to the socket."""

    at: Times
    order_ref: str
    order_id: int


@dataclass(frozen=True, slots=True)
class OrderStatusReported:
    """An orderStatus frame of ours. Only frames: a status the library set by itself never comes here."""

    at: Times
    order_ref: str
    status: str
    filled: float
    remaining: float
    avg_fill_price: float | None
    perm_id: int
    order_id: int
    why_held: str = ""


@dataclass(frozen=True, slots=True)
class OrderErrorReported:
    """An error frame with one of our order ids."""

    at: Times
    order_ref: str
    code: int
    kind: OrderErrorKind
    text: str


@dataclass(frozen=True, slots=True)
class ExecutionReported:
    """An execDetails frame, ours or not, of the trading account."""

    at: Times
    execution: Execution


@dataclass(frozen=True, slots=True)
class CommissionReported:
    at: Times
    exec_id: str
    commission: float | None
    currency: str
    realized_pnl: float | None


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A control command that is neither expired nor unknown; its arguments are validated."""

    at: Times
    command_id: int
    command: str
    args: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SuspensionRead:
    """`daemon_run_status.suspended`; None when it cannot be read, which counts as suspended."""

    at: Times
    suspended: bool | None


@dataclass(frozen=True, slots=True)
class LeaseChanged:
    """The engine leads (``held``) or does not; ``lost`` is final until it is gained anew."""

    at: Times
    held: bool
    lost: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseChanged:
    at: Times
    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SequenceReserved:
    """A further block of decision numbers is ours: ``start`` to ``stop - 1``, none ever used."""

    at: Times
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Stopping:
    """stop or a signal: nothing new leaves, a working order is cancelled."""

    at: Times
    reason: str


Event = (
    TimePassed | QuotesChanged | LineFailed | FarmChanged | LinkUp | LinkDown | ConnectivityLost
    | ConnectivityRestored | AccountReported | PositionsReported | BrokerTruth | IntentDurable | IntentFailed
    | OrderPlaced | OrderStatusReported | OrderErrorReported | ExecutionReported | CommissionReported
    | CommandReceived | SuspensionRead | LeaseChanged | DatabaseChanged
    | SequenceReserved | Stopping
)  # fmt: skip
