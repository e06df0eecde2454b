"""Orders that hang together: brackets (a parent and its children) and one-cancels-all groups.

Bracket: an order that names a ``parentId`` waits until the parent has filled completely and is cancelled with it. A
member sent without transmit is held at the gateway; the first one with transmit releases the whole family. Children
that name no group of their own form one, as at IB: called by the parent's permId and of type 3.

Group: types 1 and 4 cancel the others at the first fill, 2 and 3 reduce them in proportion; whatever ends one member
otherwise ends them all.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

from bifrost_simulator.api import BrokerError, OrderRequest, OrderStatus
from bifrost_simulator.broker.book import Book, BookOrder

MISSING_PARENT = 10006
GROUP_REVISION = 10326
_WHOLE = 1e-9


class OcaType(IntEnum):
    """What a fill does to the rest of the group; ``BLOCK`` types let one member at a time into the market."""

    CANCEL_WITH_BLOCK = 1
    REDUCE_WITH_BLOCK = 2
    REDUCE_NON_BLOCK = 3


def parent_of(book: Book, client_id: int, request: OrderRequest) -> BookOrder | None:
    """The parent that a new order names; raises 10006 when it is unknown or ended without a complete fill."""
    if not request.parent_id:
        return None
    parent = book.find(client_id, request.parent_id)
    if parent is None or (not parent.is_open and parent.status is not OrderStatus.FILLED):
        raise BrokerError(MISSING_PARENT, f"Missing parent order: {request.parent_id} is not an open order.")
    return parent


def as_child(request: OrderRequest, parent: BookOrder) -> OrderRequest:
    """The child in the group of its siblings."""
    if request.oca_group:
        return request
    return replace(request, oca_group=str(parent.perm_id), oca_type=int(OcaType.REDUCE_NON_BLOCK))


def family(book: Book, order: BookOrder) -> list[BookOrder]:
    """Open members of the bracket of ``order``, the parent first; the order alone when it has none."""
    head = order.parent_perm_id or order.perm_id
    return [one for one in book.open() if head in (one.perm_id, one.parent_perm_id)]


def children(book: Book, parent: BookOrder) -> list[BookOrder]:
    """Open children of ``parent``."""
    return [one for one in book.open() if one.parent_perm_id == parent.perm_id]


def group(book: Book, order: BookOrder) -> list[BookOrder]:
    """Other open members of the one-cancels-all group of ``order``, in the order of their permIds."""
    name = order.request.oca_group
    if not name:
        return []
    return [one for one in book.open() if one is not order and _same_group(one, order, name)]


def _same_group(one: BookOrder, other: BookOrder, name: str) -> bool:
    return (one.client_id, one.request.account, one.request.oca_group) == (
        other.client_id,
        other.request.account,
        name,
    )


def check_group(book: Book, client_id: int, request: OrderRequest) -> None:
    """Raise 10326 for an order that joins a group of which a member has filled: the group is closed."""
    if not request.oca_group:
        return
    for done in book.completed():
        same = (done.client_id, done.request.account, done.request.oca_group) == (
            client_id,
            request.account,
            request.oca_group,
        )
        if same and done.filled and not request.parent_id:
            raise BrokerError(GROUP_REVISION, f"OCA group revision is not allowed: {request.oca_group} has filled.")


def cancels_group(order: BookOrder) -> bool:
    """True when any fill of ``order`` cancels the rest of its group."""
    return order.request.oca_type not in (OcaType.REDUCE_WITH_BLOCK, OcaType.REDUCE_NON_BLOCK)


def reduced(member: BookOrder, filled: float, remaining_before: float) -> float:
    """Quantity of a group's ``member`` after ``filled`` of another's ``remaining_before`` units have filled.

    Whole units stay whole: what rounding leaves is taken off, so that the group can never fill more than one member.
    """
    if filled >= remaining_before - _WHOLE:
        return member.filled
    left = member.remaining * (1.0 - filled / remaining_before)
    if member.request.quantity == int(member.request.quantity):
        left = float(int(left + _WHOLE))
    return member.filled + left
