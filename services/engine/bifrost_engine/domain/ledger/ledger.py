"""What our own orders did: executions folded once each, positions, cost, realised P&L (engine.md sections 3, 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bifrost.contract import ContractKey

from ..words import Execution, Origin


@dataclass(frozen=True, slots=True)
class Holding:
    """Our own position of one contract. Average-cost accounting."""

    quantity: float = 0.0
    average_price: float = 0.0
    """Dollars per share of the open quantity; 0 when flat."""
    realized_usd: float = 0.0
    """Gross of commissions, multiplier included."""

    def after(self, execution: Execution) -> Holding:
        """With one more execution: what closes realises against the average price, what opens joins it."""
        moved, price, held = execution.signed_quantity, execution.price, self.quantity
        closing = max(-abs(held), min(abs(held), moved)) if held * moved < 0 else 0.0
        realized = self.realized_usd - closing * (price - self.average_price) * execution.multiplier
        quantity = held + moved
        if abs(quantity) < 1e-9:
            return Holding(0.0, 0.0, realized)
        if closing == 0.0:
            average = (held * self.average_price + moved * price) / quantity
        else:
            average = price if held * quantity < 0 else self.average_price
        return Holding(quantity, average, realized)


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
    roots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """exec_ids by what they share up to the last dot: IB's corrections of one execution."""
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """exec_ids by order_ref."""

    def position(self, key: ContractKey) -> float:
        """Own quantity of ``key``, signed."""
        return self.holding(key).quantity

    def holding(self, key: ContractKey) -> Holding:
        """Own quantity, average price and realised P&L of ``key``."""
        return self.holdings.get(key, _FLAT)

    def fills(self, order_ref: str) -> OrderFills:
        """What counts as filled of ``order_ref``."""
        found = [self.executions[exec_id] for exec_id in self._counting(order_ref)]
        quantity = sum(execution.quantity for execution in found)
        if not quantity:
            return OrderFills()
        return OrderFills(quantity, sum(execution.quantity * execution.price for execution in found) / quantity)

    def counted(self) -> tuple[Execution, ...]:
        """The executions that none supersedes, in the order they came."""
        return tuple(execution for exec_id, execution in self.executions.items() if exec_id not in self.superseded)

    def _counting(self, order_ref: str) -> tuple[str, ...]:
        return tuple(exec_id for exec_id in self.orders.get(order_ref, ()) if exec_id not in self.superseded)

    @property
    def realized_usd(self) -> float:
        """Gross realised P&L of everything, dollars."""
        return sum(holding.realized_usd for holding in self.holdings.values())

    @property
    def commissions_usd(self) -> float:
        """Commissions of the executions that count, dollars."""
        return sum(usd for exec_id, usd in self.commissions.items() if exec_id not in self.superseded)


_FLAT = Holding()


def fold(ledger: Ledger, execution: Execution) -> tuple[Ledger, bool]:
    """Add one execution. The second value is False when its exec_id was folded before (nothing changes then).

    It supersedes the execution it names in ``replaces_exec_id`` and, by IB's rule, any with the same id up to the last
    dot and a lower suffix; one that arrives after its own correction is kept and counts for nothing.
    """
    if execution.exec_id in ledger.executions:
        return ledger, False
    entered = _Entries(ledger)
    entered.enter(execution)
    if entered.superseded == ledger.superseded and execution.exec_id not in entered.superseded:
        holding = ledger.holding(execution.key).after(execution)
        return entered.ledger({**ledger.holdings, execution.key: holding}), True
    # A correction changes history: average cost and realised P&L follow from the order of what counts now.
    return entered.ledger(None), True


def fold_all(executions: Iterable[Execution], costs: Mapping[str, float]) -> Ledger:
    """The ledger of stored executions, oldest first, with their commissions in dollars by exec_id."""
    entered = _Entries(Ledger(commissions=dict(costs)))
    for execution in executions:
        entered.enter(execution)
    return entered.ledger(None)


class _Entries:
    """A ledger under construction: years of executions are folded without copying them each time."""

    def __init__(self, ledger: Ledger) -> None:
        self._before = ledger
        self.executions = dict(ledger.executions)
        self.superseded = set(ledger.superseded)
        self.roots = dict(ledger.roots)
        self.orders = dict(ledger.orders)

    def enter(self, execution: Execution) -> None:
        exec_id = execution.exec_id
        if exec_id in self.executions:
            return
        self.executions[exec_id] = execution
        if execution.order_ref:
            self.orders[execution.order_ref] = (*self.orders.get(execution.order_ref, ()), exec_id)
        if execution.replaces_exec_id:
            self.superseded.add(execution.replaces_exec_id)
        root, revision = _revision(exec_id)
        if not root or execution.origin is Origin.SYNTHETIC:
            return
        for other_id in self.roots.get(root, ()):
            _, other = _revision(other_id)
            self.superseded.add(other_id if other < revision else exec_id)
        self.roots[root] = (*self.roots.get(root, ()), exec_id)

    def ledger(self, holdings: Mapping[ContractKey, Holding] | None) -> Ledger:
        """The ledger; ``holdings`` None works them out from what counts."""
        ledger = replace(
            self._before,
            executions=self.executions,
            superseded=frozenset(self.superseded),
            roots=self.roots,
            orders=self.orders,
        )
        return replace(ledger, holdings=_holdings(ledger.counted()) if holdings is None else holdings)


def _revision(exec_id: str) -> tuple[str, int]:
    """IB's exec_id as root and number of the correction: ``0000e0d5.6531.01.02`` → (``0000e0d5.6531.01``, 2)."""
    root, dot, suffix = exec_id.rpartition(".")
    return (root, int(suffix)) if dot and suffix.isdigit() else ("", 0)


def _holdings(executions: Iterable[Execution]) -> dict[ContractKey, Holding]:
    holdings: dict[ContractKey, Holding] = {}
    for execution in executions:
        holdings[execution.key] = holdings.get(execution.key, _FLAT).after(execution)
    return holdings


def add_commission(ledger: Ledger, exec_id: str, commission_usd: float) -> Ledger:
    """Note the commission of an execution; a second report for the same id replaces the first."""
    return replace(ledger, commissions={**ledger.commissions, exec_id: commission_usd})


def corrected_by(ledger: Ledger, exec_id: str) -> str:
    """The exec_id that ``exec_id`` corrects by IB's rule: the same up to the last dot, lower, and still counting."""
    root, revision = _revision(exec_id)
    older = [known for known in ledger.roots.get(root, ()) if known not in ledger.superseded] if root else []
    return next((known for known in older if _revision(known)[1] < revision), "")


def synthetic_for(ledger: Ledger, order_ref: str) -> Execution | None:
    """The inferred execution (origin synthetic) of ``order_ref`` that still counts: the real report will replace it."""
    for exec_id in reversed(ledger.orders.get(order_ref, ())):
        execution = ledger.executions[exec_id]
        if execution.origin is Origin.SYNTHETIC and exec_id not in ledger.superseded:
            return execution
    return None
