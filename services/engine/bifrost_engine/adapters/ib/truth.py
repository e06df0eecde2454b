"""The broker's truth: open orders, completed orders, executions and positions, each to its end marker.

A query that fails or does not end makes the whole answer unknown; it never counts as "nothing there".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bifrost.ib.connection import IbConnection
from bifrost.ib.failures import IbNotConnected, IbRequestError, IbRequestTimeout
from bifrost.ib.library import ExecutionFilter

from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain.events import BrokerTruth
from bifrost_engine.domain.words import BrokerOrder, BrokerPosition, Execution, Trigger

from . import frames
from .broker import IbOrders

log = logging.getLogger(__name__)
T = TypeVar("T")
QUERY_TIMEOUT_S = 10.0
_FORESEEN = (IbNotConnected, IbRequestError, IbRequestTimeout, OSError)


class TruthReader:
    """Reads everything that reconciliation and probes compare; one reading at a time."""

    def __init__(
        self,
        connection: IbConnection,
        orders: IbOrders,
        clock: EngineClock,
        *,
        account: Callable[[], str],
        positions: Callable[[], Awaitable[tuple[BrokerPosition, ...]]],
        timeout_s: float = QUERY_TIMEOUT_S,
    ) -> None:
        self._connection = connection
        self._orders = orders
        self._clock = clock
        self._account = account
        self._positions = positions
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Lock()

    async def read(self, trigger: Trigger) -> BrokerTruth:
        """Read now, executions before positions: a fill between the two is explained by the next reading."""
        async with self._one_at_a_time:
            asked = self._clock.wall_s()
            try:
                open_orders = await self._open_orders()
                completed = await self._completed_orders()
                executions = await self._executions()
                positions = await self._positions()
            except Exception as error:
                # Whatever went wrong, the answer is unknown; an unforeseen reason is shown with where it arose.
                text = str(error) or type(error).__name__
                log.warning(
                    "broker's truth (%s) is unknown: %s", trigger, text, exc_info=not isinstance(error, _FORESEEN)
                )
                return BrokerTruth(self._clock.now(), trigger, False, asked, failure=text)
        account = self._account()
        return BrokerTruth(
            self._clock.now(),
            trigger,
            True,
            asked,
            open_orders=tuple(order for order in open_orders if order.account in ("", account)),
            completed_orders=tuple(order for order in completed if order.account in ("", account)),
            executions=tuple(fill for fill in executions if fill.account == account),
            positions=positions,
        )

    async def _open_orders(self) -> list[BrokerOrder]:
        found: dict[tuple[int, int, int], BrokerOrder] = {}

        def keep(order: BrokerOrder) -> None:
            found[(order.perm_id, order.client_id, order.order_id)] = order

        with self._ends("openOrderEnd") as end:
            self._orders.open_frames = keep
            try:
                self._connection.ib.client.reqAllOpenOrders()
                await self._until(end, "open orders")
            finally:
                self._orders.open_frames = None
        # A frame of an order that ended meanwhile may stand among them: its status says so.
        return list(found.values())

    async def _completed_orders(self) -> list[BrokerOrder]:
        found: list[BrokerOrder] = []
        wrapper = self._connection.ib.wrapper

        def keep(contract: Any, order: Any, state: Any) -> None:
            found.append(frames.broker_order(contract, order, state, completed=True))

        with self._ends("completedOrdersEnd") as end:
            wrapper.completedOrder = keep
            self._connection.ib.client.reqCompletedOrders(False)
            await self._until(end, "completed orders")
        return found

    async def _executions(self) -> list[Execution]:
        ib, loop = self._connection.ib, asyncio.get_running_loop()
        req_id, end, found = ib.client.getReqId(), loop.create_future(), list[Execution]()

        def keep(contract: Any, report: Any) -> None:
            found.append(frames.execution(contract, report))

        def ended(ended_id: int) -> None:
            if ended_id == req_id and not end.done():
                end.set_result(None)

        self._orders.execution_answers[req_id] = keep
        ib.wrapper.execDetailsEnd = ended
        try:
            # No filter on the client: what others traded in the account explains differences too.
            ib.client.reqExecutions(req_id, ExecutionFilter(acctCode=self._account()))
            await self._until(end, "executions")
        finally:
            self._orders.execution_answers.pop(req_id, None)
        return found

    @contextmanager
    def _ends(self, marker: str) -> Iterator[asyncio.Future[None]]:
        """A future that the end marker (a wrapper callback without arguments) completes."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ended() -> None:
            if not end.done():
                end.set_result(None)

        setattr(self._connection.ib.wrapper, marker, ended)
        yield end

    async def _until(self, end: asyncio.Future[None], what: str) -> None:
        closed = asyncio.ensure_future(self._closed())
        try:
            done, _ = await asyncio.wait({end, closed}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
        if end in done:
            return
        if closed in done:
            raise IbNotConnected(f"{what}: the connection ended")
        raise IbRequestTimeout(f"{what}: no end within {self._timeout_s:g} s")

    async def _closed(self) -> None:
        ended = asyncio.Event()
        hear = self._connection.on_disconnected.add(lambda _reason: ended.set())
        try:
            await ended.wait()
        finally:
            self._connection.on_disconnected.remove(hear)
