"""What our own orders did: executions folded once each, positions, cost, realised P&L (engine.md sections 3 and 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bifrost.contract import ContractKey

from .words import Execution, Origin


@dataclass(frozen=True, slots=True)
class Holding:
    """Our own position of one contract. Average-cost accounting."""

    quantity: float = 0.0
    average_price: float = 0.0
    """Dollars per share of the open quantity; 0 when flat."""
    realized_usd: float = 0.0
    """Gross of commissions, multiplier included."""


@dataclass(frozen=True, slots=True)
class OrderFills:
    """What one order_ref has had filled, corrections counted."""

    quantity: float = 0.0
    """Unsigned."""
    average_price: float = 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Own and synthetic executions of one (account, mode).

    Attributes
    ----------
    executions : mapping of exec_id to Execution
        Every execution ever folded, superseded ones too, in the order they came.
    superseded : frozenset of str
        exec_ids that a correction or a real report has replaced: they count for nothing.
    """

    executions: Mapping[str, Execution] = field(default_factory=dict)
    superseded: frozenset[str] = frozenset()
    holdings: Mapping[ContractKey, Holding] = field(default_factory=dict)
    commissions: Mapping[str, float] = field(default_factory=dict)
    """Dollars by exec_id, as the reports come in."""

    def position(self, key: ContractKey) -> float:
        """Own quantity of ``key``, signed."""
        raise NotImplementedError

    def holding(self, key: ContractKey) -> Holding:
        """Own quantity, average price and realised P&L of ``key``."""
        raise NotImplementedError

    def fills(self, order_ref: str) -> OrderFills:
        """What counts as filled of ``order_ref``."""
        raise NotImplementedError

    def counted(self) -> tuple[Execution, ...]:
        """The executions that none supersedes, in the order they came."""
        raise NotImplementedError

    @property
    def realized_usd(self) -> float:
        """Gross realised P&L of everything, dollars."""
        raise NotImplementedError

    @property
    def commissions_usd(self) -> float:
        """Commissions of the executions that count, dollars."""
        raise NotImplementedError


def fold(ledger: Ledger, execution: Execution) -> tuple[Ledger, bool]:
    """Add one execution. The second value is False when its exec_id was folded before (nothing changes then).

    It supersedes the execution it names in ``replaces_exec_id`` and, by IB's rule, any with the same id up to the last
    dot and a lower suffix; one that arrives after its own correction is kept and counts for nothing.
    """
    raise NotImplementedError


def fold_all(executions: Iterable[Execution], costs: Mapping[str, float]) -> Ledger:
    """The ledger of stored executions, oldest first, with their commissions in dollars by exec_id."""
    raise NotImplementedError


def add_commission(ledger: Ledger, exec_id: str, commission_usd: float) -> Ledger:
    """Note the commission of an execution; a second report for the same id replaces the first."""
    raise NotImplementedError


def synthetic_for(ledger: Ledger, order_ref: str) -> Execution | None:
    """The inferred execution (origin synthetic) of ``order_ref`` that still counts: the real report will replace it."""
    raise NotImplementedError
