"""Orders over a real socket against a scripted gateway: what leaves, and which frames count as facts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from bifrost.clock import WallMarketClock
from bifrost.contract import contract_key
from bifrost_engine.adapters.ib.gateway import GatewayOptions, IbGateway
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import (
    Mode,
    OrderErrorKind,
    OrderIntent,
    OrderType,
    Origin,
    Purpose,
    Side,
    Times,
    Trigger,
)

from tests.support.fake_gateway import FakeGateway, FakeSession, answer_contracts, answer_rule, until

pytestmark = pytest.mark.integration

ACCOUNT = "DU1000001"
STOCK = contract_key("NVDA", "STK")
CON_IDS = {"NVDA|STK|||": 11}
T = TypeVar("T")


def intent(side: Side = Side.BUY, limit: float | None = None) -> OrderIntent:
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    at = Times(1.0, 2.0)
    return OrderIntent(
        "BFREF", 1, ACCOUNT, Mode.LIVE, STOCK, side, 30, kind, limit, "DAY", Purpose.HEDGE, "D2", False, 140.0, at
    )


class Desk:
    """A connected gateway adapter and everything it told."""

    def __init__(self, wire: FakeGateway) -> None:
        self.wire = wire
        self.events: list[ev.Event] = []
        options = GatewayOptions("NVDA", 1, 5.0, 30.0, False, query_timeout_s=0.5)
        self.gateway = IbGateway(options, self.events.append, EngineClock(WallMarketClock()))

    @property
    def session(self) -> FakeSession:
        return self.wire.sessions[-1]

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def heard(self, kind: type[T]) -> T:
        """The newest event of a kind, waited for."""
        await until(lambda: bool(self.of(kind)))
        return self.of(kind)[-1]

    async def place(self, order: OrderIntent) -> list[str]:
        """Send an order; gives the frame that left."""
        self.gateway.carry_out(fx.PlaceOrder(order))
        await until(lambda: bool(self.wire.requests(3)))
        return self.wire.requests(3)[-1]

    async def truth(self) -> ev.BrokerTruth:
        return await self.gateway.truth.read(Trigger.PERIODIC)


def with_desk(scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def play() -> None:
        async with FakeGateway((ACCOUNT,)) as wire:
            wire.handlers |= {9: answer_contracts(CON_IDS), 91: answer_rule}
            desk = Desk(wire)
            login = await desk.gateway.connect("127.0.0.1", wire.port)
            assert login.accounts == (ACCOUNT,)
            desk.gateway.trade_for(ACCOUNT)
            await scene(desk)
            desk.gateway.disconnect("end of the test")

    asyncio.run(play())


def status(order_id: int, word: str, filled: float = 0, client_id: int = 1, why_held: str = "") -> tuple[object, ...]:
    return (3, order_id, word, filled, 30 - filled, 140.0 if filled else 0, 77, 0, 0, client_id, why_held, 0)


def details(
    req_id: int, exec_id: str, *, ref: str = "BFREF", account: str = ACCOUNT, client: int = 1
) -> tuple[object, ...]:
    contract = (11, "NVDA", "STK", "", 0, "", "", "NASDAQ", "USD", "NVDA", "NMS")
    report = (
        exec_id,
        "20260507 10:00:01 America/New_York",
        account,
        "NASDAQ",
        "BOT",
        10,
        140.01,
        77,
        client,
        0,
        10,
        140.01,
    )
    return (11, req_id, 5, *contract, *report, ref, "", "", "", 1)


def test_an_order_leaves_complete_and_its_frames_come_back() -> None:
    """INV-O8."""

    async def scene(desk: Desk) -> None:
        frame = await desk.place(intent(Side.SELL))
        order_id = int(frame[1])
        assert frame[2:4] == ["11", "NVDA"]
        body = frame[16:]
        assert body[:3] == ["SELL", "30", "MKT"]
        assert "DAY" in body and ACCOUNT in body and "BFREF" in body
        placed = await desk.heard(ev.OrderPlaced)
        assert (placed.order_ref, placed.order_id) == ("BFREF", order_id)
        desk.session.send(status(order_id, "PreSubmitted", why_held="locate"), status(order_id, "Submitted"))
        await until(lambda: len(desk.of(ev.OrderStatusReported)) == 2)
        held, working = desk.of(ev.OrderStatusReported)
        assert (held.status, held.why_held, working.status, working.perm_id) == (
            "PreSubmitted",
            "locate",
            "Submitted",
            77,
        )
        desk.session.send(details(-1, "0001.01"), (59, 1, "0001.01", 1.0, "USD", 1.7976931348623157e308, "", ""))
        fill = (await desk.heard(ev.ExecutionReported)).execution
        assert (fill.exec_id, fill.order_ref, fill.signed_quantity, fill.origin) == ("0001.01", "BFREF", 10, Origin.OWN)
        assert fill.time_s == 1778162401.0
        cost = await desk.heard(ev.CommissionReported)
        assert (cost.commission, cost.realized_pnl) == (1.0, None)

    with_desk(scene)


def test_a_limit_is_rounded_to_the_contracts_steps() -> None:
    async def scene(desk: Desk) -> None:
        frame = await desk.place(intent(Side.BUY, 140.03))
        assert frame[18:20] == ["LMT", "140.0"]
        order_id = int(frame[1])
        desk.gateway.carry_out(fx.ModifyOrder(intent(Side.BUY, 140.03), order_id, OrderType.MARKET, None))
        await until(lambda: len(desk.wire.requests(3)) == 2)
        again = desk.wire.requests(3)[-1]
        assert (int(again[1]), again[17], again[18]) == (order_id, "30", "MKT")
        desk.gateway.carry_out(fx.CancelOrder("BFREF", 0, "x"))
        await until(lambda: bool(desk.wire.requests(4)))
        assert desk.wire.requests(4)[-1][2] == str(order_id)

    with_desk(scene)


def test_what_the_library_concludes_from_an_error_is_no_status() -> None:
    """The library sets an order to Cancelled on any error code that is no warning; only frames are facts."""

    async def scene(desk: Desk) -> None:
        order_id = int((await desk.place(intent()))[1])
        codes = {
            201: OrderErrorKind.REJECT,
            10148: OrderErrorKind.UNCERTAIN,
            399: OrderErrorKind.INFORMATION,
            10349: OrderErrorKind.INFORMATION,
        }
        for code in codes:
            desk.session.error(order_id, code, f"text of {code}")
        await until(lambda: len(desk.of(ev.OrderErrorReported)) == len(codes))
        assert {event.code: event.kind for event in desk.of(ev.OrderErrorReported)} == codes
        assert desk.of(ev.OrderStatusReported) == []

    with_desk(scene)


def test_frames_of_other_clients_and_accounts_are_not_ours() -> None:
    async def scene(desk: Desk) -> None:
        order_id = int((await desk.place(intent()))[1])
        desk.session.send(status(order_id, "Filled", 30, client_id=0))
        desk.session.send(details(-1, "0002.01", account="DU9"))
        desk.session.send(details(-1, "0003.01", ref="", client=0))
        fill = (await desk.heard(ev.ExecutionReported)).execution
        assert (fill.exec_id, fill.origin) == ("0003.01", Origin.EXTERNAL)
        assert desk.of(ev.OrderStatusReported) == []

    with_desk(scene)


def test_an_order_without_a_socket_is_uncertain_never_refused() -> None:
    async def scene(desk: Desk) -> None:
        ended: list[str] = []
        desk.gateway.on_ended = ended.append
        desk.session.close()
        await until(lambda: bool(ended))
        desk.gateway.carry_out(fx.PlaceOrder(intent()))
        error = await desk.heard(ev.OrderErrorReported)
        assert error.kind is OrderErrorKind.UNCERTAIN and desk.of(ev.OrderPlaced) == []

    with_desk(scene)


def test_a_cancel_without_an_id_is_uncertain() -> None:
    async def scene(desk: Desk) -> None:
        desk.gateway.carry_out(fx.CancelOrder("BFOTHER", 0, "x"))
        error = await desk.heard(ev.OrderErrorReported)
        assert (error.order_ref, error.kind) == ("BFOTHER", OrderErrorKind.UNCERTAIN)
        assert desk.wire.requests(4) == []

    with_desk(scene)


def answer_truth(wire: FakeGateway, *, leave_out: int = 0) -> None:
    """Answers the four queries of the truth with nothing but their end markers, except the one left out."""
    ends: dict[int, Callable[[list[str]], tuple[object, ...]]] = {
        16: lambda fields: (53, 1),
        99: lambda fields: (102,),
        7: lambda fields: (55, 1, fields[2]),
        74: lambda fields: (72, 1, fields[2]),
    }
    for message, end in ends.items():
        if message != leave_out:
            wire.handlers[message] = lambda session, fields, end=end: session.send(end(fields))  # type: ignore[misc]


def test_the_truth_is_everything_to_its_end() -> None:
    async def scene(desk: Desk) -> None:
        answer_truth(desk.wire)

        def executions(session: FakeSession, fields: list[str]) -> None:
            session.send(details(int(fields[2]), "0001.01"), details(int(fields[2]), "0001.02", account="DU9"))
            session.send((55, 1, fields[2]))

        def positions(session: FakeSession, fields: list[str]) -> None:
            contract = (11, "NVDA", "STK", "", 0, "", "", "SMART", "USD", "NVDA", "NMS")
            session.send((71, 1, fields[2], ACCOUNT, *contract, -40, 139.5, ""), (72, 1, fields[2]))

        desk.wire.handlers |= {7: executions, 74: positions}
        truth = await desk.truth()
        assert truth.ok, truth.failure
        assert [fill.exec_id for fill in truth.executions] == ["0001.01"]
        assert [(p.key, p.quantity, p.con_id) for p in truth.positions] == [(STOCK, -40, 11)]
        assert desk.of(ev.ExecutionReported) == []

    with_desk(scene)


@pytest.mark.parametrize("silent", [16, 99, 7, 74])
def test_a_query_without_an_end_makes_the_truth_unknown(silent: int) -> None:
    async def scene(desk: Desk) -> None:
        answer_truth(desk.wire, leave_out=silent)
        truth = await asyncio.wait_for(desk.truth(), 5)
        assert not truth.ok and truth.failure
        assert truth.positions == ()

    with_desk(scene)


def test_a_truth_under_way_ends_with_the_connection() -> None:
    async def scene(desk: Desk) -> None:
        reading = asyncio.ensure_future(desk.truth())
        await until(lambda: bool(desk.wire.requests(16)))
        desk.session.close()
        truth = await asyncio.wait_for(reading, 0.4)
        assert not truth.ok and "ended" in truth.failure

    with_desk(scene)


def test_half_a_list_of_positions_is_never_told() -> None:
    async def scene(desk: Desk) -> None:
        contract = (11, "NVDA", "STK", "", 0, "", "", "", "USD", "NVDA", "NMS")

        def position(quantity: float) -> tuple[Any, ...]:
            return (61, 3, ACCOUNT, *contract, quantity, 140.0)

        await until(lambda: bool(desk.wire.requests(61)))
        desk.session.send(position(10), status(999, "Submitted"))
        desk.session.send((49, 1, 1_400_000_000))
        await until(lambda: desk.gateway.connection.gateway_time_s == 1_400_000_000)
        assert desk.of(ev.PositionsReported) == []
        desk.session.send((62, 1))
        told = await desk.heard(ev.PositionsReported)
        assert [(p.key, p.quantity) for p in told.positions] == [(STOCK, 10)]
        desk.session.send(position(0))
        await until(lambda: len(desk.of(ev.PositionsReported)) == 2)
        assert desk.of(ev.PositionsReported)[-1].positions == ()

    with_desk(scene)


def test_connectivity_farms_and_lines_become_events() -> None:
    async def scene(desk: Desk) -> None:
        await until(lambda: bool(desk.wire.requests(1)))
        line = desk.wire.requests(1)[-1][2]
        desk.session.error(-1, 1100, "lost")
        desk.session.error(-1, 1102, "restored")
        desk.session.error(-1, 2103, "Market data farm connection is broken:usfarm")
        desk.session.error(line, 354, "not subscribed")
        failed = await desk.heard(ev.LineFailed)
        assert (failed.key, failed.code) == (STOCK, 354)
        assert len(desk.of(ev.ConnectivityLost)) == 1
        assert [event.code for event in desk.of(ev.ConnectivityRestored)] == [1102]
        assert [(event.code, event.farm) for event in desk.of(ev.FarmChanged)] == [(2103, "usfarm")]
        desk.session.send((58, 1, line, 1), (1, 6, line, 1, 140.0, 5, 1), (1, 6, line, 2, 140.02, 7, 1))
        quoted = await desk.heard(ev.QuotesChanged)
        (quote,) = quoted.quotes
        assert (quote.bid, quote.ask, quote.ask_size, quote.data_type) == (140.0, 140.02, 7, 1)
        assert quoted.last_arrival_s is not None and quote.arrived_wall_s <= quoted.at.wall_s

    with_desk(scene)
