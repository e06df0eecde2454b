"""Contracts: resolved once, failures with a reason and a back-off, prices on the market rule's steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from bifrost.contract import parse_contract_key
from bifrost.ib import ContractCache, ContractInfo, IbConnection, IbNotConnected, PriceStep

from tests.support.fake_gateway import FakeGateway, answer_contracts, answer_rule, contract_details, details_end

STOCK = parse_contract_key("NVDA|STK|||")
CALL = parse_contract_key("NVDA|OPT|20260320|140|C")
CON_IDS = {str(STOCK): 4815747, str(CALL): 700001}


def with_cache(test: Callable[[FakeGateway, IbConnection, ContractCache], Awaitable[None]], **options: float) -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            gateway.handlers[9] = answer_contracts(CON_IDS)
            gateway.handlers[91] = answer_rule
            link = IbConnection(1, connect_timeout_s=2.0, request_timeout_s=0.5, readonly=True)
            await link.connect("127.0.0.1", gateway.port)
            await test(gateway, link, ContractCache(link, **options))
            link.disconnect()

    asyncio.run(run())


def info(*steps: tuple[float, float]) -> ContractInfo:
    rules = tuple(PriceStep(*step) for step in steps)
    return ContractInfo(CALL, 1, 0.01, rules, 100.0, "NVDA", "SMART", "CBOE", "USD", "NVDA C", 0, None)


def test_details_of_stock_and_option() -> None:
    async def test(_gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        found = await cache.qualify([STOCK, CALL])
        stock, call = found[STOCK], found[CALL]
        assert (stock.con_id, stock.multiplier, stock.exchange, stock.primary_exchange) == (
            4815747,
            1.0,
            "SMART",
            "NASDAQ",
        )
        assert (call.con_id, call.multiplier, call.trading_class) == (700001, 100.0, "NVDA")
        # The rule beside SMART in validExchanges, not the other exchange's.
        assert call.price_steps == (PriceStep(0.0, 0.01), PriceStep(3.0, 0.05))
        assert call.ib_contract.conId == 700001

    with_cache(test)


def test_known_contracts_are_not_asked_again_and_callers_share_a_request() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        await asyncio.gather(cache.qualify([CALL]), cache.qualify([CALL, STOCK]))
        await cache.qualify([CALL, STOCK])
        assert len(gateway.requests(9)) == 2
        assert len(gateway.requests(91)) == 1

    with_cache(test)


def test_a_con_id_decides_and_must_be_the_contract_meant() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        assert (await cache.qualify([CALL], {CALL: 700001}))[CALL].con_id == 700001
        assert gateway.requests(9)[0][3] == "700001"
        other = parse_contract_key("NVDA|OPT|20260320|150|C")
        assert await cache.qualify([other], {other: 700001}) == {}
        failure = cache.failure(other)
        assert failure is not None
        assert failure.reason == f"the gateway knows {CALL} instead of {other}"

    with_cache(test)


def test_an_unknown_contract_has_a_reason_and_a_back_off() -> None:
    unknown = parse_contract_key("ZZZZ|STK|||")

    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        assert await cache.qualify([unknown, STOCK]) == {STOCK: cache.get(STOCK)}
        failure = cache.failure(unknown)
        assert failure is not None
        assert (failure.code, failure.attempts) == (200, 1)
        assert "No security definition" in failure.reason
        await cache.qualify([unknown])
        assert len(gateway.requests(9)) == 2
        cache.forget(unknown)
        await cache.qualify([unknown])
        assert len(gateway.requests(9)) == 3

    with_cache(test)


def test_a_failed_contract_is_asked_again_after_its_back_off() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        gateway.handlers[9] = answer_contracts({})
        assert await cache.qualify([CALL]) == {}
        gateway.handlers[9] = answer_contracts(CON_IDS)
        deadline = asyncio.get_running_loop().time() + 5.0
        while CALL not in await cache.qualify([CALL]):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.005)
        assert cache.failure(CALL) is None

    with_cache(test, first_retry_s=0.02)


def test_a_gateway_that_does_not_answer_is_a_failure_with_a_limit() -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        del gateway.handlers[9]
        assert await cache.qualify([CALL]) == {}
        failure = cache.failure(CALL)
        assert failure is not None
        assert failure.code is None
        assert "no complete answer" in failure.reason

    with_cache(test)


def test_no_connection_says_nothing_about_contracts() -> None:
    async def test(_gateway: FakeGateway, link: IbConnection, cache: ContractCache) -> None:
        link.disconnect()
        with pytest.raises(IbNotConnected):
            await cache.qualify([CALL])
        assert cache.failure(CALL) is None

    with_cache(test)


@pytest.mark.parametrize(("classes", "con_id"), [(["NVDA", "2NVDA"], 1), (["1NVDA", "2NVDA"], None)])
def test_adjusted_options_beside_the_standard_class(classes: list[str], con_id: int | None) -> None:
    async def test(gateway: FakeGateway, _link: IbConnection, cache: ContractCache) -> None:
        def answer(session: object, fields: list[str]) -> None:
            frames = [
                contract_details(fields[2], number, ["NVDA", "OPT", "20260320", "140", "C"], trading_class=name)
                for number, name in enumerate(classes, start=1)
            ]
            session.send(*frames, details_end(fields[2]))  # type: ignore[attr-defined]

        gateway.handlers[9] = answer
        found = await cache.qualify([CALL])
        assert (found[CALL].con_id if found else None) == con_id
        if con_id is None:
            failure = cache.failure(CALL)
            assert failure is not None
            assert "ambiguous" in failure.reason

    with_cache(test)


@pytest.mark.parametrize(
    ("price", "side", "expected"),
    [
        (2.994, "BUY", 2.99),
        (2.991, "SELL", 3.0),
        (3.04, "BUY", 3.0),
        (3.04, "SELL", 3.05),
        (10.120000000000001, "BUY", 10.1),
        (10.15, "BUY", 10.15),
        (10.15, "SELL", 10.15),
    ],
)
def test_prices_are_rounded_to_the_step_and_never_worse(price: float, side: str, expected: float) -> None:
    assert info((0.0, 0.01), (3.0, 0.05)).round_price(price, side) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), 0.004])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="140"):
        info((0.0, 0.01)).round_price(price, "BUY")
