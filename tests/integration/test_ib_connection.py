"""`bifrost.ib` over a real socket to the simulator: what an engine and a pricer do all day, and what breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from bifrost.contract import ContractKey, parse_contract_key
from bifrost.ib import (
    AccountReader,
    ConnectFailure,
    ContractCache,
    IbConnectError,
    IbConnection,
    IbError,
    MarketDataLines,
    MarketDataType,
    QuoteUpdate,
)

from tests.support.fake_gateway import until
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration
STOCK = parse_contract_key("NVDA|STK|||")
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator")) as process:
        yield process


class Session:
    """A connection with everything on it, and what it said."""

    def __init__(self, client_id: int) -> None:
        self.link = IbConnection(client_id, connect_timeout_s=10.0, readonly=True)
        self.contracts = ContractCache(self.link)
        self.lines = MarketDataLines(self.link, retry_interval_s=0.5)
        self.reader = AccountReader(self.link)
        self.quotes: dict[ContractKey, list[QuoteUpdate]] = {}
        self.errors: list[IbError] = []
        self.ends: list[str] = []
        self.lines.on_quote.add(lambda quote: self.quotes.setdefault(quote.contract_key, []).append(quote))
        self.link.on_error.add(self.errors.append)
        self.link.on_disconnected.add(self.ends.append)

    async def stream(self, *keys: ContractKey) -> None:
        """Subscribe ``keys`` and wait for a two-sided quote of each."""
        for info in (await self.contracts.qualify(keys)).values():
            self.lines.subscribe(info)
        await until(lambda: all(self.two_sided(key) for key in keys), LIMIT_S)

    def two_sided(self, key: ContractKey) -> bool:
        quote = self.lines.quote(key)
        return quote is not None and quote.two_sided


def with_session(simulator: SimulatorProcess, client_id: int, test: Callable[[Session], Awaitable[None]]) -> None:
    async def run() -> None:
        session = Session(client_id)
        await session.link.connect("127.0.0.1", simulator.port)
        try:
            await test(session)
        finally:
            session.link.disconnect()

    asyncio.run(run())


def test_accounts_and_positions(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        report = await session.reader.fetch_accounts()
        (account,) = report.accounts
        assert account.account == session.link.accounts[0] == "DU1234567"
        assert account.net_liquidation is not None
        assert account.total_cash == pytest.approx(1_000_000, rel=0.2)
        options = [position for position in account.positions if position.contract_key.is_option]
        assert [position.quantity for position in options] == [36.0, 36.0]
        assert {position.multiplier for position in options} == {100.0}
        # Asking again changes nothing and leaves no subscription behind (the gateway allows two summaries).
        for _ in range(3):
            assert (await session.reader.fetch_accounts()).account(account.account).positions

    with_session(simulator, 21, test)


def test_stock_and_options_stream_with_greeks(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        report = await session.reader.fetch_accounts()
        keys = [position.contract_key for position in report.accounts[0].positions if position.contract_key.is_option]
        await session.stream(STOCK, *keys)
        await until(lambda: all(session.quotes[key][-1].model is not None for key in keys), LIMIT_S)
        spot = session.lines.quote(STOCK)
        assert spot is not None
        assert spot.mid is not None
        assert spot.market_data_type is MarketDataType.LIVE
        for key in keys:
            model = session.quotes[key][-1].model
            assert model is not None
            assert model.und_price == pytest.approx(spot.mid, rel=0.02)
            assert model.delta is not None
            assert (model.delta > 0) == (key.right == "C")
            info = session.contracts.get(key)
            assert info is not None
            assert info.multiplier == 100.0
            assert [step.increment for step in info.price_steps] == [0.01, 0.05]
        snapshot = await session.lines.snapshot(session.contracts.get(keys[0]))  # type: ignore[arg-type]
        assert snapshot.two_sided
        seen = len(session.quotes[STOCK])
        await until(lambda: len(session.quotes[STOCK]) > seen + 2, LIMIT_S)

    with_session(simulator, 22, test)


def test_what_does_not_exist_has_ibs_reason(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        unknown = parse_contract_key("NVDA|OPT|20991231|1|C")
        assert await session.contracts.qualify([unknown]) == {}
        failure = session.contracts.failure(unknown)
        assert failure is not None
        assert failure.code == 200

    with_session(simulator, 23, test)


def test_a_client_id_that_is_in_use(simulator: SimulatorProcess) -> None:
    async def test(_session: Session) -> None:
        with pytest.raises(IbConnectError) as caught:
            await IbConnection(24, connect_timeout_s=10.0).connect("127.0.0.1", simulator.port)
        assert caught.value.failure is ConnectFailure.CLIENT_ID_IN_USE

    with_session(simulator, 24, test)


def test_the_gateways_time_answers_a_probe(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        session.link.request_time_probe()
        await until(lambda: session.link.gateway_time_s is not None, LIMIT_S)

    with_session(simulator, 26, test)


def test_connectivity_lost_and_restored(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        await session.stream(STOCK)
        simulator.fault("connectivity_lost_1100")
        await until(lambda: any(error.code == 1100 for error in session.errors), LIMIT_S)
        assert not session.link.broker_link_up
        assert session.link.is_connected
        simulator.fault("restored_1101")
        await until(lambda: any(error.code == 1101 for error in session.errors), LIMIT_S)
        assert session.link.broker_link_up
        # The subscriptions were lost at the gateway; ticks prove that they were requested again.
        seen = len(session.quotes[STOCK])
        await until(lambda: len(session.quotes[STOCK]) > seen, LIMIT_S)

    with_session(simulator, 27, test)


def test_a_cut_connection_comes_back_with_its_lines(simulator: SimulatorProcess) -> None:
    async def test(session: Session) -> None:
        await session.stream(STOCK)
        await asyncio.to_thread(simulator.fault, "disconnect")
        await until(lambda: bool(session.ends), LIMIT_S)
        assert session.lines.quote(STOCK) is None
        await session.link.connect("127.0.0.1", simulator.port)
        await until(lambda: session.two_sided(STOCK), LIMIT_S)
        assert session.lines.lines_in_use == 1

    with_session(simulator, 28, test)


def test_a_killed_gateway_is_seen_and_found_again(tmp_path: Path) -> None:
    async def run(simulator: SimulatorProcess) -> None:
        session = Session(29)
        await session.link.connect("127.0.0.1", simulator.port)
        await session.stream(STOCK)
        await asyncio.to_thread(simulator.kill)
        await until(lambda: bool(session.ends), 2.0)
        with pytest.raises(IbConnectError) as caught:
            await session.link.connect("127.0.0.1", simulator.port)
        assert caught.value.failure is ConnectFailure.REFUSED
        await asyncio.to_thread(simulator.start)
        await session.link.connect("127.0.0.1", simulator.port)
        await until(lambda: session.two_sided(STOCK), LIMIT_S)
        session.link.disconnect()

    with SimulatorProcess(tmp_path) as simulator:
        asyncio.run(run(simulator))
