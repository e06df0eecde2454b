"""The only place that places, changes and cancels orders. Facts come from the gateway's frames, never from the library.

The library keeps orders of its own and sets their status by itself (Cancelled on any error code that is no warning,
tws-protocol.md section 9). None of that is used: the wrapper's order callbacks are replaced by the ones here, so what
reaches the core is what came over the wire.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from bifrost.ib.connection import IbConnection
from bifrost.ib.errors import IbCode, IbError
from bifrost.ib.library import Order

from bifrost_engine.app.ports import Sink
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain.effects import CancelOrder, ModifyOrder, PlaceOrder
from bifrost_engine.domain.events import (
    CommissionReported,
    ExecutionReported,
    OrderErrorReported,
    OrderPlaced,
    OrderStatusReported,
)
from bifrost_engine.domain.words import BrokerOrder, OrderErrorKind, OrderIntent, OrderType, Side

from . import frames

log = logging.getLogger(__name__)
Tradable = Callable[[OrderIntent], Any]
"""The qualified contract of an intent; raises LookupError while it is not known."""
RoundPrice = Callable[[OrderIntent, float], float]


class IbOrders:
    """Sends the core's orders and reports the gateway's frames on them.

    Parameters
    ----------
    connection : IbConnection
        Its frames are heard after `listen`, once for each connection.
    account : callable
        The trading account; executions of others are not ours to report.
    tradable : callable
        Qualified contract of an intent.
    round_price : callable
        Price on the contract's steps, never less aggressive than asked.
    """

    def __init__(
        self,
        connection: IbConnection,
        sink: Sink,
        clock: EngineClock,
        *,
        account: Callable[[], str],
        tradable: Tradable,
        round_price: RoundPrice,
    ) -> None:
        self._connection = connection
        self._sink = sink
        self._clock = clock
        self._account = account
        self._tradable = tradable
        self._round_price = round_price
        self._refs: dict[int, str] = {}
        self.open_frames: Callable[[BrokerOrder], None] | None = None
        self.execution_answers: dict[int, Callable[[Any, Any], None]] = {}
        connection.on_error.add(self._on_error)

    # -- orders out

    def place(self, effect: PlaceOrder) -> None:
        """Send a new order; OrderPlaced follows once it is with the socket, an error on the order where it is not."""
        intent = effect.intent
        try:
            contract = self._tradable(intent)
            client = self._connection.ib.client
            order_id = client.getReqId()
            order = self._order(intent, intent.order_type, intent.limit_price, order_id)
            self._refs[order_id] = intent.order_ref
            client.placeOrder(order_id, contract, order)
        except Exception as error:
            # A time-out or a broken wire is never a reject: the core finds out what the broker knows.
            log.error("order %s: placeOrder failed: %s", intent.order_ref, error)
            now = self._clock.now()
            self._sink(
                OrderErrorReported(now, intent.order_ref, IbCode.NOT_CONNECTED, OrderErrorKind.UNCERTAIN, str(error))
            )
            return
        log.info(
            "placed %s %d %s, %s, order id %d", intent.side, intent.quantity, intent.key, intent.order_type, order_id
        )
        self._sink(OrderPlaced(self._clock.now(), intent.order_ref, order_id))

    def modify(self, effect: ModifyOrder) -> None:
        """The same order id with a new price or type; the quantity stays the original total."""
        intent = effect.intent
        contract = self._tradable(intent)
        order = self._order(intent, effect.order_type, effect.limit_price, effect.order_id)
        self._refs[effect.order_id] = intent.order_ref
        self._connection.ib.client.placeOrder(effect.order_id, contract, order)
        self._sink(OrderPlaced(self._clock.now(), intent.order_ref, effect.order_id))

    def cancel(self, effect: CancelOrder) -> None:
        log.info("cancelling %s: %s", effect.order_ref, effect.reason)
        order_id = effect.order_id or next((key for key, ref in self._refs.items() if ref == effect.order_ref), 0)
        if not order_id:
            # Nothing the gateway would understand: what became of the order is found out by a probe.
            now, text = self._clock.now(), f"order id of {effect.order_ref} is not known yet: it cannot be cancelled"
            self._sink(
                OrderErrorReported(now, effect.order_ref, IbCode.CANCEL_UNKNOWN_ORDER, OrderErrorKind.UNCERTAIN, text)
            )
            return
        self._refs.setdefault(order_id, effect.order_ref)
        self._connection.ib.client.cancelOrder(order_id, "")

    def _order(self, intent: OrderIntent, order_type: OrderType, limit: float | None, order_id: int) -> Any:
        order = Order(
            orderId=order_id,
            clientId=self._connection.client_id,
            action="BUY" if intent.side is Side.BUY else "SELL",
            totalQuantity=intent.quantity,
            orderType="MKT",
            account=intent.account,
            orderRef=intent.order_ref,
            tif=intent.tif,
            outsideRth=False,
            transmit=True,
        )
        if order_type is OrderType.LIMIT:
            if limit is None:
                raise ValueError(f"limit order {intent.order_ref} has no limit price")
            order.orderType = "LMT"
            order.lmtPrice = self._round_price(intent, limit)
        return order

    # -- frames in

    def listen(self) -> None:
        """Take over the order callbacks of a new connection's wrapper."""
        wrapper = self._connection.ib.wrapper
        wrapper.openOrder = self._open_order
        wrapper.orderStatus = self._order_status
        wrapper.execDetails = self._exec_details
        wrapper.commissionReport = self._commission_report
        # Order ids of an earlier connection mean nothing to the new one until the gateway names them again.
        self._refs.clear()

    def _open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        # Order ids and request ids share one sequence: it must stay above every id in use.
        self._connection.ib.client.updateReqId(order_id + 1)
        if order.whatIf:
            return
        self._adopt(order)
        if self.open_frames is not None:
            self.open_frames(frames.broker_order(contract, order, state, completed=False))

    def _adopt(self, order: Any) -> None:
        """An order of ours from before this connection: its id leads to its order_ref again."""
        if frames.is_ours(order.orderRef or "") and order.clientId == self._connection.client_id and order.orderId > 0:
            self._refs[order.orderId] = order.orderRef

    def _order_status(
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        avg_fill_price: float,
        perm_id: int,
        _parent_id: int,
        _last_fill_price: float,
        client_id: int,
        why_held: str,
        _mkt_cap_price: float = 0.0,
    ) -> None:
        order_ref = self._refs.get(order_id)
        if order_ref is None or client_id != self._connection.client_id:
            return
        average = frames.known(avg_fill_price)
        event = OrderStatusReported(
            self._clock.now(),
            order_ref,
            status,
            float(filled),
            float(remaining),
            average if average else None,
            frames.whole(perm_id),
            order_id,
            why_held or "",
        )
        self._sink(event)

    def _exec_details(self, req_id: int, contract: Any, report: Any) -> None:
        answer = self.execution_answers.get(req_id)
        if answer is not None:
            answer(contract, report)
            return
        if report.acctNumber != self._account():
            return
        try:
            fill = frames.execution(contract, report)
        except ValueError as error:
            log.critical("execution %s cannot be read: %s", getattr(report, "execId", "?"), error)
            return
        self._sink(ExecutionReported(self._clock.now(), fill))

    def _commission_report(self, report: Any) -> None:
        self._sink(
            CommissionReported(
                self._clock.now(),
                report.execId,
                frames.known(report.commission),
                report.currency or "",
                frames.known(report.realizedPNL),
            )
        )

    def _on_error(self, error: IbError) -> None:
        order_ref = self._refs.get(error.req_id)
        if order_ref is not None:
            kind = frames.error_kind(error.code)
            self._sink(OrderErrorReported(self._clock.now(), order_ref, error.code, kind, error.text))
