"""Every code that engine.md section 6 names: what it means for an order, for a line, for the link. One row each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from bifrost.ib.errors import MEANING, IbCode
from bifrost_engine.adapters.ib import frames
from bifrost_engine.app.service_ports import GatewayUnavailable
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.market import market
from bifrost_engine.domain.market.freshness import staleness
from bifrost_engine.domain.view import SessionView as Session
from bifrost_engine.domain.words import OrderErrorKind

from tests.engine.rule_builders import NOON, STOCK, config_with, live_book, times
from tests.engine.test_decide_orders import quick_rig
from tests.integration.test_engine_broker import CON_IDS, Desk, with_desk
from tests.integration.test_engine_broker import STOCK as NVDA
from tests.support.fake_gateway import FakeGateway, answer_contracts, answer_rule, until

KIND = OrderErrorKind
#: On an order of ours: what kind of news it is, the order's state after it before and after an acknowledgement.
ORDERS: list[tuple[int, OrderErrorKind, HedgeState, HedgeState]] = [
    (103, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (110, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (200, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (201, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (321, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (404, KIND.HELD, HedgeState.UNKNOWN, HedgeState.WORKING),
    (435, KIND.REJECT, HedgeState.FAIL, HedgeState.UNKNOWN),
    (202, KIND.INFORMATION, HedgeState.WAIT_ACK, HedgeState.WORKING),
    (399, KIND.INFORMATION, HedgeState.WAIT_ACK, HedgeState.WORKING),
    (10349, KIND.INFORMATION, HedgeState.WAIT_ACK, HedgeState.WORKING),
    (10147, KIND.UNCERTAIN, HedgeState.UNKNOWN, HedgeState.UNKNOWN),
    (10148, KIND.UNCERTAIN, HedgeState.UNKNOWN, HedgeState.UNKNOWN),
    (10149, KIND.UNCERTAIN, HedgeState.UNKNOWN, HedgeState.UNKNOWN),
]
#: On a market-data line: whether the stock is stale for it (M5); where not, the line is in error and asked for again.
LINES = {101: False, 200: False, 354: True, 10089: True, 10167: True, 10197: True}
FARMS = [*range(2103, 2109), *range(2111, 2120), 2157, 2158]
LINK = {1100, 1101, 1102, 1300, 326}


def test_every_code_of_the_specification_has_a_row_and_a_name() -> None:
    named = {1100, 1101, 1102, 1300, 2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158, 101, 103, 110, 200, 201, 202,
             321, 326, 354, 399, 404, 435, 10089, 10147, 10148, 10149, 10167, 10197, 10349}  # fmt: skip
    assert named <= {row[0] for row in ORDERS} | set(LINES) | set(FARMS) | LINK
    assert all(MEANING[IbCode(code)] for code in named)


@pytest.mark.parametrize(("code", "kind", "before", "after"), ORDERS)
def test_a_code_on_an_order(code: int, kind: OrderErrorKind, before: HedgeState, after: HedgeState) -> None:
    assert frames.error_kind(code) is kind
    for acknowledged, expected in ((False, before), (True, after)):
        rig, ref = quick_rig()
        rig.answers_truth = False
        if acknowledged:
            rig.status(ref, "Submitted")
        rig.send(ev.OrderErrorReported(rig.at, ref, code, kind, "text of the gateway"))
        assert rig.state.hedge is expected, (code, acknowledged)
        sent = len(rig.of(fx.PlaceOrder))
        assert sent == 1, "no second order before the first one's end is known"
        rejects = [o for o in rig.of(fx.RecordOperation) if o.type is fx.OperationType.REJECT]
        assert len(rejects) == (expected is HedgeState.FAIL)
        if rejects:
            assert str(code) in rejects[0].reason
            assert rig.state.day.hedge_count == 0, "rejects never count"


@pytest.mark.parametrize(("code", "stale"), LINES.items())
def test_a_code_on_a_line(code: int, stale: bool) -> None:
    book = market.on_line_failed(live_book(), ev.LineFailed(times(1.0), STOCK, code, "text of the gateway"))
    session = Session(True, NOON - 3600.0, NOON + 3600.0, False)
    reason = staleness(book, times(1.0), config_with(), session, ())
    assert (str(code) in reason) is stale
    assert market.lines_to_request(book, times(31.0), config_with()) == (STOCK,)


@dataclass(frozen=True)
class Told:
    """What reached the core: kinds of events with their codes."""

    desk: Desk

    def codes(self, kind: type[ev.FarmChanged] | type[ev.LineFailed] | type[ev.ConnectivityRestored]) -> list[int]:
        return [event.code for event in self.desk.of(kind)]


@pytest.mark.integration
def test_codes_on_the_wire_become_what_the_core_knows_them_by() -> None:
    async def scene(desk: Desk) -> None:
        told = Told(desk)
        await until(lambda: bool(desk.wire.requests(1)))
        line = desk.wire.requests(1)[-1][2]
        desk.session.error(-1, 1100, "Connectivity between IB and Trader Workstation has been lost.")
        desk.session.error(-1, 1102, "Connectivity restored - data maintained.")
        for code in FARMS:
            desk.session.error(-1, code, f"what the gateway says:farm{code}")
        for code in (354, 10089, 10167, 10197, 101, 200):
            desk.session.error(line, code, "text of the gateway")
        desk.session.error(-1, 10197, "No market data during competing live session")
        desk.session.error(-1, 2110, "Connectivity between Trader Workstation and server is broken.")
        await until(lambda: told.codes(ev.LineFailed)[-1:] == [10197] and len(told.codes(ev.LineFailed)) == 7)
        assert len(desk.of(ev.ConnectivityLost)) == 1
        assert told.codes(ev.ConnectivityRestored) == [1102]
        assert told.codes(ev.FarmChanged) == FARMS
        assert all(event.text == MEANING.get(event.code, event.text) for event in desk.of(ev.FarmChanged))
        assert {event.key for event in desk.of(ev.LineFailed)[:-1]} == {NVDA}
        assert desk.of(ev.LineFailed)[-1].key is None
        asked = len(desk.wire.requests(1))
        desk.session.error(-1, 1101, "Connectivity restored - data lost.")
        await until(lambda: len(desk.wire.requests(1)) == asked + 1)
        assert told.codes(ev.ConnectivityRestored) == [1102, 1101]
        ended: list[str] = []
        desk.gateway.on_ended = ended.append
        desk.session.error(-1, 1300, "Socket port has been reset and this connection is being dropped.")
        await until(lambda: bool(ended))
        assert "1300" in ended[0] and not desk.gateway.connected

    with_desk(scene)


def play(scene: Callable[[FakeGateway], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeGateway(("DU1000001",)) as wire:
            wire.handlers |= {9: answer_contracts(CON_IDS), 91: answer_rule}
            await scene(wire)

    asyncio.run(run())


@pytest.mark.integration
def test_326_waits_and_comes_back_under_the_same_client_id() -> None:
    async def scene(wire: FakeGateway) -> None:
        desk = Desk(wire)
        wire.taken_client_ids.add(1)
        with pytest.raises(GatewayUnavailable, match="client id 1 is in use"):
            await desk.gateway.connect("127.0.0.1", wire.port)
        wire.taken_client_ids.clear()
        login = await desk.gateway.connect("127.0.0.1", wire.port)
        assert (login.client_id, wire.sessions[-1].client_id) == (1, 1)
        desk.gateway.disconnect("end of the test")

    play(scene)


def test_what_the_gateway_says_of_its_farms_is_shown_and_decides_nothing_by_itself() -> None:
    rig, _ = quick_rig()
    rig.send(ev.FarmChanged(rig.at, 2104, "usfarm", "a market-data farm is up"))
    rig.send(ev.FarmChanged(rig.at, 2107, "ushmds", "a historical-data farm is idle until it is needed"))
    rig.send(ev.FarmChanged(rig.at, 2158, "secdefnj", "the contract-definition farm is up"))
    assert {farm: told.code for farm, told in rig.state.book.farms.items()} == {
        "usfarm": 2104, "ushmds": 2107, "secdefnj": 2158,
    }  # fmt: skip
    assert rig.state.book.farm_errors == {}
    rig.send(ev.LinkDown(rig.at, "cut"))
    assert rig.state.book.farms == {}


def test_a_farm_that_is_broken_at_log_on_is_not_forgotten_when_the_link_is_told() -> None:
    """The gateway says so before the log-on is complete."""
    rig, _ = quick_rig()
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.send(ev.FarmChanged(rig.at, 2103, "usfarm", "a market-data farm is down"))
    rig.link_up()
    assert set(rig.state.book.farm_errors) == {"usfarm"}
