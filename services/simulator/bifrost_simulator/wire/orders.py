"""Orders, executions and commissions between the wire's field names and the world's dataclasses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bifrost_simulator.api import Commission, Execution, ExecutionFilter, OrderRequest, OrderState, OrderView
from bifrost_simulator.wire.contracts import combo_leg_values, contract_query, contract_values
from bifrost_simulator.wire.layout import Values
from bifrost_simulator.wire.messages.groups import C12
from bifrost_simulator.wire.messages.orders import COMPLETED_ORDER, OPEN_ORDER
from bifrost_simulator.wire.times import zoned_text

_MEANINGFUL = {
    "action": "action",
    "totalQuantity": "quantity",
    "orderType": "order_type",
    "lmtPrice": "limit_price",
    "auxPrice": "aux_price",
    "tif": "tif",
    "account": "account",
    "orderRef": "order_ref",
    "ocaGroup": "oca_group",
    "ocaType": "oca_type",
    "parentId": "parent_id",
    "transmit": "transmit",
    "outsideRth": "outside_rth",
    "whatIf": "what_if",
    "allOrNone": "all_or_none",
    "minQty": "min_quantity",
    "trailStopPrice": "trail_stop_price",
    "trailingPercent": "trailing_percent",
    "goodAfterTime": "good_after_time",
    "goodTillDate": "good_till_date",
    "cashQty": "cash_quantity",
}
"""placeOrder fields that the world interprets, and its names for them; the rest is only echoed."""

DEFAULT_TIF = "DAY"
_OF_THE_CONTRACT = {name for item in C12 for name in item.names()} | {"secIdType", "secId", "comboLegs"}
_INFINITE = "Infinity"
_NOT_SET: tuple[object, ...] = (None, "", False, 0)


def order_request(values: Mapping[str, Any]) -> OrderRequest:
    """Return the order of a decoded placeOrder; fields without meaning to the world go into ``attributes``."""
    attributes = {
        name: _as_json(value)
        for name, value in values.items()
        if name not in _MEANINGFUL and name not in _OF_THE_CONTRACT and name != "orderId" and not _is_unset(value)
    }
    known = {ours: values[theirs] for theirs, ours in _MEANINGFUL.items()}
    known["action"] = known["action"].upper()
    known["order_type"] = known["order_type"].upper()
    # ib_insync's orders name no time in force unless told to; the gateway takes them for the day.
    known["tif"] = known["tif"].upper() or DEFAULT_TIF
    return OrderRequest(contract=contract_query(values), attributes=attributes, **known)


def _is_unset(value: object) -> bool:
    return value in _NOT_SET or value in ([], {})


def _as_json(value: Any) -> Any:
    """JSON has no infinity; the wire's word for it stands in (competeAgainstBestOffset)."""
    return _INFINITE if value == math.inf else value


def _from_json(value: Any) -> Any:
    return math.inf if value == _INFINITE else value


def _order_values(view: OrderView, names: frozenset[str]) -> Values:
    """The fields on which openOrder and completedOrder agree, ``names`` being those of the message."""
    request = view.request
    values = {name: _from_json(value) for name, value in request.attributes.items() if name in names}
    for theirs, ours in _MEANINGFUL.items():
        if theirs in names:
            values[theirs] = getattr(request, ours)
    values.update(contract_values(view.contract))
    legs = view.contract.combo_legs or request.contract.combo_legs
    values.update(
        {
            "comboLegs": combo_leg_values(legs),
            "permId": view.perm_id,
            "status": str(view.status),
            "tif": request.tif or DEFAULT_TIF,
            # The gateway shows prices that an order type does not have as 0, not as unset.
            "lmtPrice": request.limit_price if request.limit_price is not None else 0.0,
            "auxPrice": request.aux_price if request.aux_price is not None else 0.0,
        }
    )
    return values


def open_order_values(view: OrderView) -> Values:
    """Message 5. ``clientId`` is the owner's: clients find the order by owner and order id."""
    return {
        **_order_values(view, OPEN_ORDER.field_names),
        "orderId": view.order_id,
        "clientId": view.client_id,
        "warningText": view.warning_text,
    }


def what_if_values(view: OrderView, state: OrderState) -> Values:
    """Message 5 as the answer to a what-if: all margins are numbers, or ib_async cannot read it."""
    return {
        **open_order_values(view),
        "whatIf": True,
        "status": "PreSubmitted",
        "initMarginBefore": state.init_margin_before,
        "maintMarginBefore": state.maint_margin_before,
        "equityWithLoanBefore": state.equity_before,
        "initMarginChange": state.init_margin_change,
        "maintMarginChange": state.maint_margin_change,
        "equityWithLoanChange": state.equity_change,
        "initMarginAfter": state.init_margin_after,
        "maintMarginAfter": state.maint_margin_after,
        "equityWithLoanAfter": state.equity_after,
        "commission": state.commission,
        "minCommission": state.min_commission,
        "maxCommission": state.max_commission,
        "commissionCurrency": state.commission_currency,
        "warningText": state.warning_text or view.warning_text,
    }


def completed_order_values(view: OrderView) -> Values:
    """Message 101."""
    return {
        **_order_values(view, COMPLETED_ORDER.field_names),
        "filledQuantity": view.filled,
        "parentPermId": view.parent_perm_id,
        "completedTime": zoned_text(view.completed_at) if view.completed_at else "",
        "completedStatus": view.completed_status or view.reject_reason,
    }


def order_status_values(view: OrderView) -> Values:
    """Message 3."""
    return {
        "orderId": view.order_id,
        "status": str(view.status),
        "filled": view.filled,
        "remaining": view.remaining,
        "avgFillPrice": view.avg_fill_price,
        "permId": view.perm_id,
        "parentId": view.request.parent_id,
        "lastFillPrice": view.last_fill_price,
        "clientId": view.client_id,
        "whyHeld": view.why_held,
        "mktCapPrice": view.market_cap_price,
    }


def execution_values(req_id: int, execution: Execution) -> Values:
    """Message 11; ``req_id`` is -1 for a fill that happens now."""
    return {
        "reqId": req_id,
        "orderId": execution.order_id,
        **contract_values(execution.contract),
        "execId": execution.exec_id,
        "time": zoned_text(execution.time),
        "acctNumber": execution.account,
        "execExchange": execution.exchange,
        "side": execution.side,
        "shares": execution.quantity,
        "price": execution.price,
        "permId": execution.perm_id,
        "clientId": execution.client_id,
        "liquidation": execution.liquidation,
        "cumQty": execution.cumulative,
        "avgPrice": execution.avg_price,
        "orderRef": execution.order_ref,
        "evRule": execution.ev_rule,
        "evMultiplier": execution.ev_multiplier or None,
        "modelCode": execution.model_code,
        "lastLiquidity": execution.last_liquidity,
    }


def commission_values(commission: Commission) -> Values:
    """Message 59."""
    return {
        "execId": commission.exec_id,
        "commission": commission.commission,
        "currency": commission.currency,
        "realizedPNL": commission.realized_pnl,
    }


def execution_filter(values: Mapping[str, Any]) -> ExecutionFilter:
    """Return the filter of a decoded reqExecutions."""
    return ExecutionFilter(
        client_id=values["clientId"],
        account=values["acctCode"],
        time=values["time"],
        symbol=values["symbol"],
        sec_type=values["secType"].upper(),
        exchange=values["exchange"],
        side=values["side"].upper(),
    )
