"""Market-data lines: once each, one update a chunk, errors kept until data comes, gone with the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from bifrost.contract import ContractKey, parse_contract_key
from bifrost.ib import (
    ContractCache,
    ContractInfo,
    IbConnection,
    IbRequestError,
    IbRequestTimeout,
    MarketDataLines,
    MarketDataType,
    QuoteUpdate,
    RequestPacer,
)

from tests.support.fake_gateway import FakeGateway, answer_contracts, answer_rule, until

STOCK = parse_contract_key("NVDA|STK|||")
CALL = parse_contract_key("NVDA|OPT|20260320|140|C")


class Bench:
    """A gateway, a connection, its lines and what they said."""

    def __init__(self, gateway: FakeGateway, link: IbConnection, lines: MarketDataLines) -> None:
        self.gateway, self.link, self.lines = gateway, link, lines
        self.quotes: list[QuoteUpdate] = []
        self.infos: dict[ContractKey, ContractInfo] = {}
        lines.on_quote.add(self.quotes.append)

    async def connect(self) -> None:
        await self.link.connect("127.0.0.1", self.gateway.port)
        self.infos = await ContractCache(self.link).qualify([STOCK, CALL])

    async def subscribed(self, key: ContractKey) -> str:
        """Subscribe and give the request id that reached the gateway."""
        before = len(self.gateway.requests(1))
        self.lines.subscribe(self.infos[key])
        await until(lambda: len(self.gateway.requests(1)) > before)
        return self.gateway.requests(1)[-1][2]

    def send(self, *frames: tuple[object, ...]) -> None:
        self.gateway.sessions[-1].send(*frames)


def with_bench(test: Callable[[Bench], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            gateway.handlers[9] = answer_contracts({str(STOCK): 11, str(CALL): 12})
            gateway.handlers[91] = answer_rule
            link = IbConnection(1, connect_timeout_s=2.0, readonly=True, messages_per_second=50)
            bench = Bench(gateway, link, MarketDataLines(link, **options))  # type: ignore[arg-type]
            await bench.connect()
            await test(bench)
            link.disconnect()

    asyncio.run(run())


def quote_frames(req_id: str, bid: float = 10.0, ask: float = 10.02) -> list[tuple[object, ...]]:
    return [(1, 6, req_id, 1, bid, 5, 1), (1, 6, req_id, 2, ask, 6, 1)]


def test_a_chunk_is_one_update_with_everything_in_it() -> None:
    async def test(bench: Bench) -> None:
        req_id = await bench.subscribed(STOCK)
        bench.send((58, 1, req_id, 1), *quote_frames(req_id), (45, 6, req_id, 49, 0), (2, 6, req_id, 89, 1000))
        await until(lambda: bool(bench.quotes))
        (quote,) = bench.quotes
        assert (quote.bid, quote.ask, quote.halted, quote.shortable_shares) == (10.0, 10.02, False, 1000)
        assert quote.market_data_type is MarketDataType.LIVE
        assert bench.lines.quote(STOCK) == quote

    with_bench(test)


def test_delayed_frozen_is_asked_once_before_the_first_line() -> None:
    async def test(bench: Bench) -> None:
        await bench.subscribed(STOCK)
        await bench.subscribed(CALL)
        kinds = [fields[0] for fields in bench.gateway.received if fields[0] in ("59", "1")]
        assert kinds == ["59", "1", "1"]
        assert bench.gateway.requests(59)[0][2] == "4"
        # Stocks with trades and shortable shares, options without generic ticks.
        assert [fields[16] for fields in bench.gateway.requests(1)] == ["233,236", ""]

    with_bench(test)


def test_wanting_a_line_twice_asks_once() -> None:
    async def test(bench: Bench) -> None:
        await bench.subscribed(STOCK)
        bench.lines.subscribe(bench.infos[STOCK])
        await bench.subscribed(CALL)
        assert len(bench.gateway.requests(1)) == 2
        assert bench.lines.lines_in_use == 2

    with_bench(test)


def test_an_unwanted_line_is_cancelled_and_silent() -> None:
    async def test(bench: Bench) -> None:
        req_id = await bench.subscribed(STOCK)
        other = await bench.subscribed(CALL)
        bench.lines.unsubscribe(STOCK)
        await until(lambda: bool(bench.gateway.requests(2)))
        assert bench.gateway.requests(2)[0][2] == req_id
        bench.send(*quote_frames(req_id), *quote_frames(other))
        await until(lambda: bool(bench.quotes))
        assert [quote.contract_key for quote in bench.quotes] == [CALL]
        assert bench.lines.keys == (CALL,)

    with_bench(test)


def test_lines_come_back_once_after_a_disconnect_and_start_empty() -> None:
    async def test(bench: Bench) -> None:
        req_id = await bench.subscribed(STOCK)
        bench.send(*quote_frames(req_id))
        await until(lambda: bool(bench.quotes))
        bench.gateway.sessions[-1].close()
        await until(lambda: not bench.link.is_connected)
        assert bench.lines.quote(STOCK) is None
        assert bench.lines.lines_in_use == 0
        await bench.link.connect("127.0.0.1", bench.gateway.port)
        await until(lambda: len(bench.gateway.requests(1)) == 2)
        assert len(bench.gateway.requests(59)) == 2
        req_id = bench.gateway.requests(1)[-1][2]
        # The same values as before: the first tick of the new line must count.
        bench.send(*quote_frames(req_id))
        await until(lambda: len(bench.quotes) == 2)
        assert bench.quotes[1].bid == 10.0

    with_bench(test)


def test_data_lost_with_the_servers_is_requested_again() -> None:
    async def test(bench: Bench) -> None:
        await bench.subscribed(STOCK)
        bench.gateway.sessions[-1].error(-1, 1102, "restored, data maintained")
        bench.gateway.sessions[-1].error(-1, 1101, "restored, data lost")
        await until(lambda: len(bench.gateway.requests(1)) == 2)
        assert bench.gateway.requests(2) == []

    with_bench(test)


def test_a_line_in_error_is_cancelled_and_requested_again_until_it_lives() -> None:
    async def test(bench: Bench) -> None:
        req_id = await bench.subscribed(STOCK)
        bench.gateway.sessions[-1].error(req_id, 354, "Requested market data is not subscribed.")
        await until(lambda: bench.lines.error(STOCK) is not None)
        assert bench.lines.errors()[STOCK].code == 354
        await until(lambda: len(bench.gateway.requests(1)) == 2)
        again = bench.gateway.requests(1)[1][2]
        assert bench.gateway.requests(2)[0][2] == req_id
        assert bench.lines.error(STOCK) is not None
        bench.send(*quote_frames(again))
        await until(lambda: bench.lines.error(STOCK) is None)

    with_bench(test, retry_interval_s=0.05)


@pytest.mark.parametrize(("allowed", "cleared"), [((1,), False), ((1, 3), True)])
def test_delayed_data_clears_an_error_only_where_it_is_allowed(allowed: tuple[int, ...], cleared: bool) -> None:
    async def test(bench: Bench) -> None:
        req_id = await bench.subscribed(STOCK)
        bench.gateway.sessions[-1].error(req_id, 10167, "Displaying delayed market data.")
        await until(lambda: bench.lines.error(STOCK) is not None)
        bench.send((58, 1, req_id, 3), (1, 6, req_id, 66, 9.0, 1, 1))
        await until(lambda: bool(bench.quotes))
        assert (bench.lines.error(STOCK) is None) is cleared

    with_bench(test, allowed_types=[MarketDataType(kind) for kind in allowed])


def test_a_broken_farm_marks_every_line_until_it_is_back_or_ticks_come() -> None:
    async def test(bench: Bench) -> None:
        stock = await bench.subscribed(STOCK)
        await bench.subscribed(CALL)
        session = bench.gateway.sessions[-1]
        session.error(-1, 2103, "Market data farm connection is broken:usfarm")
        await until(lambda: len(bench.lines.errors()) == 2)
        bench.send(*quote_frames(stock))
        await until(lambda: set(bench.lines.errors()) == {CALL})
        session.error(-1, 2104, "Market data farm connection is OK:usfarm")
        await until(lambda: not bench.lines.errors())

    with_bench(test)


def test_snapshot_ends_and_errors() -> None:
    async def test(bench: Bench) -> None:
        asked = asyncio.ensure_future(bench.lines.snapshot(bench.infos[CALL], 5.0))
        await until(lambda: bool(bench.gateway.requests(1)))
        fields = bench.gateway.requests(1)[0]
        assert fields[16:18] == ["", "1"]
        assert bench.lines.lines_in_use == 1
        model = (21, fields[2], 13, 0, 0.35, 0.5, 2.0, 0, 0.02, 0.1, -0.05, 140.0)
        bench.send(*quote_frames(fields[2], 2.0, 2.1), model, (57, 1, fields[2]))
        quote = await asked
        assert (quote.bid, quote.ask) == (2.0, 2.1)
        assert quote.model is not None
        assert quote.model.iv_annual == 0.35
        assert bench.lines.lines_in_use == 0
        asked = asyncio.ensure_future(bench.lines.snapshot(bench.infos[CALL], 5.0))
        await until(lambda: len(bench.gateway.requests(1)) == 2)
        bench.gateway.sessions[-1].error(bench.gateway.requests(1)[1][2], 354, "not subscribed")
        with pytest.raises(IbRequestError, match="354"):
            await asked
        with pytest.raises(IbRequestTimeout):
            await bench.lines.snapshot(bench.infos[CALL], 0.05)

    with_bench(test)


def test_requests_stay_within_the_budget_and_orders_need_not_ask() -> None:
    now = [0.0]
    pacer = RequestPacer(3, monotonic=lambda: now[0])
    assert [pacer.try_take() for _ in range(4)] == [True, True, True, False]
    assert pacer.wait_s() == 1.0
    now[0] = 0.75
    assert pacer.wait_s() == 0.25
    now[0] = 1.0
    assert pacer.try_take()
    with pytest.raises(ValueError, match="51"):
        RequestPacer(51)
