"""How a gate answers: passed or failed, always with what it saw and where its limit stands."""

from __future__ import annotations

from ..view import GateKind, GateResult, View


def passed(
    name: str, observed: object, limit: object, reason: str = "ok", kind: GateKind = GateKind.BLOCKING
) -> GateResult:
    """The gate lets the order through."""
    return GateResult(name, True, observed, limit, reason, kind)


def failed(
    name: str,
    observed: object,
    limit: object,
    reason: str,
    kind: GateKind = GateKind.BLOCKING,
    remaining_s: float | None = None,
) -> GateResult:
    """The gate stops the order. ``reason`` is a sentence with the numbers and their units."""
    return GateResult(name, False, observed, limit, reason, kind, remaining_s)


def working_shares(view: View) -> int:
    """Signed shares of ours that are at the broker and may still fill."""
    return view.order.signed_remaining if view.order is not None else 0


def position_after(view: View) -> float:
    """The stock in scope once the order and what is working have filled."""
    return view.stock_in_scope + working_shares(view) + view.order_shares


def enlarges(view: View) -> bool:
    """The order makes the stock position larger in absolute value."""
    return abs(position_after(view)) > abs(view.stock_in_scope)


def order_price(view: View) -> float | None:
    """Dollars a share at which the order would trade: its limit, or the touch for a market order."""
    if view.limit_price is not None:
        return view.limit_price
    return view.ask if view.order_shares > 0 else view.bid
