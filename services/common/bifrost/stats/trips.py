"""Hedge round trips: what an order that closes own shares made of them, first in, first out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from .money import ZERO, dec
from .rows import FillRow


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """The shares that one order closed.

    ``pnl_usd`` is net of the commissions of both ends, each in proportion to the shares closed, where they are known.
    """

    order_ref: str
    contract_key: str
    closed_s: float
    quantity: Decimal
    pnl_usd: Decimal


@dataclass(slots=True)
class _Lot:
    quantity: Decimal
    """Signed."""
    price: Decimal
    cost_per_unit: Decimal


def counting(fills: Sequence[FillRow]) -> tuple[FillRow, ...]:
    """The fills that no correction replaces: named by it, or by IB's rule the same id up to the last dot, lower."""
    replaced = {fill.replaces_exec_id for fill in fills if fill.replaces_exec_id}
    newest: dict[str, int] = {}
    for fill in fills:
        root, revision = _revision(fill.exec_id)
        if root:
            newest[root] = max(revision, newest.get(root, 0))
    return tuple(fill for fill in fills if fill.exec_id not in replaced and _is_newest(fill.exec_id, newest))


def _is_newest(exec_id: str, newest: dict[str, int]) -> bool:
    root, revision = _revision(exec_id)
    return not root or revision == newest[root]


def _revision(exec_id: str) -> tuple[str, int]:
    root, dot, suffix = exec_id.rpartition(".")
    # Ids that the desk makes itself (recon:, exer:, paper:) carry no revision.
    return (root, int(suffix)) if dot and suffix.isdigit() and ":" not in exec_id else ("", 0)


def round_trips(fills: Sequence[FillRow]) -> list[RoundTrip]:
    """The round trips of ``fills``, which are in the order they were made and count all; one per closing order."""
    open_lots: dict[str, deque[_Lot]] = {}
    trips: dict[tuple[str, str], RoundTrip] = {}
    for fill in fills:
        lots = open_lots.setdefault(fill.contract_key, deque())
        closed, pnl = _close(lots, fill)
        if not closed:
            continue
        name = (fill.order_ref or fill.exec_id, fill.contract_key)
        known = trips.get(name)
        if known is None:
            trips[name] = RoundTrip(name[0], fill.contract_key, fill.ts_s, closed, pnl)
        else:
            trips[name] = replace(
                known, closed_s=fill.ts_s, quantity=known.quantity + closed, pnl_usd=known.pnl_usd + pnl
            )
    return list(trips.values())


def _close(lots: deque[_Lot], fill: FillRow) -> tuple[Decimal, Decimal]:
    """Work one fill into ``lots``; what it closed and the P&L of that, dollars."""
    price, multiplier = dec(fill.price), dec(fill.multiplier)
    rest = dec(fill.quantity) * fill.sign
    cost_per_unit = dec(fill.commission or 0.0) / abs(rest)
    closed, pnl = ZERO, ZERO
    while rest and lots and lots[0].quantity * rest < 0:
        lot = lots[0]
        taken = min(abs(rest), abs(lot.quantity))
        direction = 1 if lot.quantity > 0 else -1
        pnl += (price - lot.price) * direction * taken * multiplier - taken * (lot.cost_per_unit + cost_per_unit)
        closed += taken
        lot.quantity -= direction * taken
        rest += direction * taken
        if not lot.quantity:
            lots.popleft()
    if rest:
        lots.append(_Lot(rest, price, cost_per_unit))
    return closed, pnl
