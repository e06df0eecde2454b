"""From the library's frames to the domain's values. Pure: what arrives is read, nothing is kept."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import Any

from bifrost.contract import ContractKey, contract_key
from bifrost.ib.errors import ORDER_INFORMATION, ORDER_REJECTS, IbCode

from bifrost_engine.domain.words import BrokerOrder, BrokerPosition, Execution, OrderErrorKind, Origin, Side

#: Every order_ref of the desk begins so (contracts.md, "order_ref").
OUR_PREFIX = "BF"
UNSET_INTEGER = 2**31 - 1
_SIDES = {"BOT": Side.BUY, "BUY": Side.BUY, "SLD": Side.SELL, "SELL": Side.SELL, "SSHORT": Side.SELL}


def is_ours(order_ref: str) -> bool:
    return order_ref.startswith(OUR_PREFIX)


def error_kind(code: int) -> OrderErrorKind:
    """What an error frame on an order means for it (engine.md section 4.5)."""
    if code in ORDER_INFORMATION:
        return OrderErrorKind.INFORMATION
    if code == IbCode.NOT_SHORTABLE:
        return OrderErrorKind.HELD
    if code in ORDER_REJECTS:
        return OrderErrorKind.REJECT
    return OrderErrorKind.UNCERTAIN


def known(value: Any) -> float | None:
    """A number of the broker's, None where it is unset (1.797e308), missing or no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) < sys.float_info.max / 2 else None


def whole(value: Any) -> int:
    """An id of the broker's, 0 where it is unset."""
    number = known(value)
    return 0 if number is None or int(number) == UNSET_INTEGER else int(number)


def multiplier_of(contract: Any) -> float:
    return known(getattr(contract, "multiplier", None)) or 1.0


def key_of(contract: Any) -> ContractKey:
    return contract_key(
        contract.symbol,
        contract.secType,
        contract.lastTradeDateOrContractMonth,
        known(contract.strike) or 0.0,
        contract.right,
    )


def side_of(text: str) -> Side:
    side = _SIDES.get(text.strip().upper())
    if side is None:
        raise ValueError(f"side {text!r} is neither a buy nor a sell")
    return side


def broker_order(contract: Any, order: Any, state: Any, *, completed: bool) -> BrokerOrder:
    """An openOrder or completedOrder frame."""
    quantity = known(order.totalQuantity) or 0.0
    filled = known(getattr(order, "filledQuantity", None)) or 0.0
    if completed and not quantity:
        # A completed order carries 0 as its total once nothing is left; what was filled is all there is.
        quantity = filled
    return BrokerOrder(
        order_ref=order.orderRef or "",
        account=order.account or "",
        key=key_of(contract),
        side=side_of(order.action),
        quantity=quantity,
        filled=filled,
        status=state.status or getattr(state, "completedStatus", ""),
        perm_id=whole(order.permId),
        order_id=whole(order.orderId),
        client_id=whole(order.clientId),
        completed=completed,
        order_type=order.orderType or "",
        limit_price=known(order.lmtPrice) or None,
    )


def execution(contract: Any, report: Any) -> Execution:
    """An execDetails frame, ours or anybody's."""
    moment = report.time
    if not isinstance(moment, datetime):
        raise ValueError(f"execution {report.execId}: time {moment!r} is not a time")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    order_ref = report.orderRef or ""
    return Execution(
        exec_id=report.execId,
        account=report.acctNumber,
        key=key_of(contract),
        side=side_of(report.side),
        quantity=float(report.shares),
        price=float(report.price),
        time_s=moment.timestamp(),
        order_ref=order_ref,
        perm_id=whole(report.permId),
        order_id=whole(report.orderId),
        client_id=whole(report.clientId),
        exchange=report.exchange or "",
        multiplier=multiplier_of(contract),
        origin=Origin.OWN if is_ours(order_ref) else Origin.EXTERNAL,
    )


def position(account: str, contract: Any, quantity: float, avg_cost: float) -> BrokerPosition:
    return BrokerPosition(
        account=account,
        key=key_of(contract),
        quantity=float(quantity),
        avg_cost=float(avg_cost),
        con_id=whole(contract.conId),
        multiplier=multiplier_of(contract),
        trading_class=contract.tradingClass or "",
    )
