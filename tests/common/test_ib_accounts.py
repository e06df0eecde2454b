"""Accounts and positions: complete, or an exception; a failed query is never a flat account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from bifrost.ib import AccountReader, IbConnection, IbNotConnected, IbRequestError, IbRequestTimeout

from tests.support.fake_gateway import FakeGateway, FakeSession

POSITIONS = {
    "DU1": [("STK", "", "", "", "", 100, 12.5, 11), ("OPT", "20260320", "140", "C", "100", -2, 350.0, 12)],
    "DU2": [("STK", "", "", "", "", 0, 0.0, 11)],
}


def answer_positions(session: FakeSession, fields: list[str]) -> None:
    req_id, account = fields[2], fields[3]
    for kind, expiry, strike, right, units, quantity, cost, con_id in POSITIONS[account]:
        contract = (con_id, "NVDA", kind, expiry, strike or 0, right, units, "", "USD", "NVDA", "NVDA")
        session.send((71, 1, req_id, account, *contract, quantity, cost, ""))
    session.send((72, 1, req_id))


def answer_summary(session: FakeSession, fields: list[str]) -> None:
    for account in session.gateway.accounts:
        session.send((63, 1, fields[2], account, "NetLiquidation", "100000.50", "USD"))
        session.send((63, 1, fields[2], account, "BuyingPower", "400000.00", "USD"))
        session.send((63, 1, fields[2], account, "AccountType", "INDIVIDUAL", ""))
    session.send((64, 1, fields[2]))


def with_reader(test: Callable[[FakeGateway, IbConnection, AccountReader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with FakeGateway(("DU1", "DU2")) as gateway:
            gateway.handlers[74] = answer_positions
            gateway.handlers[62] = answer_summary
            link = IbConnection(1, connect_timeout_s=2.0, readonly=True)
            await link.connect("127.0.0.1", gateway.port)
            await test(gateway, link, AccountReader(link))
            link.disconnect()

    asyncio.run(run())


def test_every_account_with_its_values_and_positions() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        report = await reader.fetch_accounts(2.0)
        first = report.account("DU1")
        assert (first.net_liquidation, first.buying_power, first.total_cash) == (100000.50, 400000.0, None)
        assert first.summary["AccountType"].text == "INDIVIDUAL"
        assert first.number("AccountType") is None
        held = {str(position.contract_key): position for position in first.positions}
        assert held["NVDA|STK|||"].quantity == 100
        call = held["NVDA|OPT|20260320|140|C"]
        assert (call.quantity, call.avg_cost, call.multiplier, call.con_id) == (-2, 350.0, 100.0, 12)
        assert report.account("DU2").positions == ()
        # Both are subscriptions at the gateway, which allows two summaries (322): they are cancelled.
        await asyncio.sleep(0)
        await reader.fetch_accounts(2.0)
        assert len(gateway.requests(63)) >= 1
        assert len(gateway.requests(75)) >= 2

    with_reader(test)


def test_of_a_contract_that_comes_twice_the_later_line_counts() -> None:
    """A fill while the list is on its way; one that closes the position ends it."""

    def answer(session: FakeSession, fields: list[str]) -> None:
        for con_id, quantity in ((11, 100), (12, 5), (11, 40), (12, 0)):
            contract = (con_id, "NVDA", "STK", "", 0, "", "", "", "USD", "NVDA", "NVDA")
            session.send((71, 1, fields[2], fields[3], *contract, quantity, 12.5, ""))
        session.send((72, 1, fields[2]))

    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        gateway.handlers[74] = answer
        (held,) = await reader.fetch_positions("DU1", 2.0)
        assert (held.con_id, held.quantity) == (11, 40)

    with_reader(test)


@pytest.mark.parametrize("silent", [62, 74])
def test_an_answer_that_does_not_come_is_unknown(silent: int) -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        del gateway.handlers[silent]
        with pytest.raises(IbRequestTimeout):
            await reader.fetch_accounts(0.1)

    with_reader(test)


def test_a_late_answer_of_a_former_query_is_not_taken_for_the_next() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        late: list[list[str]] = []
        gateway.handlers[74] = lambda _session, fields: late.append(fields)
        with pytest.raises(IbRequestTimeout):
            await reader.fetch_positions("DU1", 0.1)

        def answer(session: FakeSession, fields: list[str]) -> None:
            session.send((72, 1, late[0][2]))
            answer_positions(session, fields)

        gateway.handlers[74] = answer
        assert len(await reader.fetch_positions("DU1", 2.0)) == 2

    with_reader(test)


def test_an_error_is_an_error() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        gateway.handlers[62] = lambda session, fields: session.error(fields[2], 322, "Maximum number of requests")
        with pytest.raises(IbRequestError, match="322") as caught:
            await reader.fetch_accounts(2.0)
        assert caught.value.code == 322

    with_reader(test)


def test_a_summary_without_an_account_is_incomplete() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, reader: AccountReader) -> None:
        gateway.handlers[62] = lambda session, fields: session.send((64, 1, fields[2]))
        with pytest.raises(IbRequestTimeout, match="NetLiquidation for DU1, DU2"):
            await reader.fetch_accounts(2.0)

    with_reader(test)


def test_a_connection_that_ends_meanwhile_is_unknown() -> None:
    async def test(gateway: FakeGateway, link: IbConnection, reader: AccountReader) -> None:
        gateway.handlers[74] = lambda session, _fields: session.close()
        with pytest.raises(IbNotConnected):
            await reader.fetch_accounts(2.0)
        with pytest.raises(IbNotConnected):
            await reader.fetch_accounts(2.0)
        assert not link.is_connected

    with_reader(test)
