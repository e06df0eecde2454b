"""Life of an order at the broker, as one table."""

from __future__ import annotations

from enum import StrEnum

from bifrost_simulator.api import OrderStatus

S = OrderStatus


class OrderEvent(StrEnum):
    """What happens to an order."""

    ACCEPTED = "accepted"
    ROUTED = "routed"
    UNROUTED = "unrouted"
    PARTLY_FILLED = "partly_filled"
    FULLY_FILLED = "fully_filled"
    CANCEL_ASKED = "cancel_asked"
    CANCELLED = "cancelled"
    REFUSED = "refused"


E = OrderEvent

#: (status, event) → status. ROUTED is the exchange taking the order, UNROUTED a change (a modify out of session, a held
#: parent) that takes it off again. A pair that is not here cannot happen.
TRANSITIONS: dict[tuple[OrderStatus, OrderEvent], OrderStatus] = {
    (S.PENDING_SUBMIT, E.ACCEPTED): S.PRE_SUBMITTED,
    (S.PENDING_SUBMIT, E.CANCELLED): S.API_CANCELLED,
    (S.PENDING_SUBMIT, E.REFUSED): S.INACTIVE,
    (S.PRE_SUBMITTED, E.ROUTED): S.SUBMITTED,
    (S.PRE_SUBMITTED, E.UNROUTED): S.PRE_SUBMITTED,
    (S.PRE_SUBMITTED, E.CANCEL_ASKED): S.PENDING_CANCEL,
    (S.PRE_SUBMITTED, E.CANCELLED): S.CANCELLED,
    (S.PRE_SUBMITTED, E.REFUSED): S.INACTIVE,
    (S.SUBMITTED, E.ROUTED): S.SUBMITTED,
    (S.SUBMITTED, E.UNROUTED): S.PRE_SUBMITTED,
    (S.SUBMITTED, E.PARTLY_FILLED): S.SUBMITTED,
    (S.SUBMITTED, E.FULLY_FILLED): S.FILLED,
    (S.SUBMITTED, E.CANCEL_ASKED): S.PENDING_CANCEL,
    (S.SUBMITTED, E.CANCELLED): S.CANCELLED,
    (S.SUBMITTED, E.REFUSED): S.INACTIVE,
    (S.PENDING_CANCEL, E.PARTLY_FILLED): S.PENDING_CANCEL,
    (S.PENDING_CANCEL, E.FULLY_FILLED): S.FILLED,
    (S.PENDING_CANCEL, E.CANCELLED): S.CANCELLED,
}


class ImpossibleTransition(RuntimeError):
    """An event that the table has no row for: a fault of the simulator itself."""


def next_status(status: OrderStatus, event: OrderEvent) -> OrderStatus:
    """Status after ``event``."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise ImpossibleTransition(f"order in {status} cannot be {event}") from None
