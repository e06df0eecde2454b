"""Orders, open and completed orders, executions."""

from __future__ import annotations

from bifrost_simulator.api import BrokerError
from bifrost_simulator.wire.handlers.base import Call, Handler
from bifrost_simulator.wire.orders import (
    commission_values,
    completed_order_values,
    execution_filter,
    execution_values,
    open_order_values,
    order_request,
    order_status_values,
)

NOT_DEFAULT_CLIENT = 327


def _place_order(call: Call) -> None:
    call.world.place_order(call.client_id, call.values["orderId"], order_request(call.values))


def _cancel_order(call: Call) -> None:
    call.world.cancel_order(call.client_id, call.values["orderId"])


def _global_cancel(call: Call) -> None:
    call.world.global_cancel(call.client_id)


def _ids(call: Call) -> None:
    call.send("nextValidId", orderId=call.world.next_order_id(call.client_id))


def _auto_open_orders(call: Call) -> None:
    if call.client_id != 0:
        raise BrokerError(NOT_DEFAULT_CLIENT, "Only the default client (i.e 0) can auto bind orders.")
    call.world.bind_manual_orders(call.client_id, call.values["autoBind"])


def _open_orders(call: Call) -> None:
    _answer_open_orders(call, call.client_id)


def _all_open_orders(call: Call) -> None:
    _answer_open_orders(call, None)


def _answer_open_orders(call: Call, client_id: int | None) -> None:
    # The order before its status: clients log and forget the status of an order that they do not know.
    for order in call.world.open_orders(client_id):
        call.answer("openOrder", open_order_values(order))
        call.answer("orderStatus", order_status_values(order))
    call.send("openOrderEnd")


def _completed_orders(call: Call) -> None:
    for order in call.world.completed_orders(call.values["apiOnly"]):
        call.answer("completedOrder", completed_order_values(order))
    call.send("completedOrdersEnd")


def _executions(call: Call) -> None:
    for execution, commission in call.world.executions(execution_filter(call.values)):
        call.answer("execDetails", execution_values(call.req_id, execution))
        if commission is not None:
            call.answer("commissionReport", commission_values(commission))
    call.send("execDetailsEnd", reqId=call.req_id)


ORDER_HANDLERS: dict[str, Handler] = {
    "placeOrder": _place_order,
    "cancelOrder": _cancel_order,
    "reqGlobalCancel": _global_cancel,
    "reqIds": _ids,
    "reqAutoOpenOrders": _auto_open_orders,
    "reqOpenOrders": _open_orders,
    "reqAllOpenOrders": _all_open_orders,
    "reqCompletedOrders": _completed_orders,
    "reqExecutions": _executions,
}
