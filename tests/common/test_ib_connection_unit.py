"""Connecting, failing to connect, silence, ends: `bifrost.ib.IbConnection` against a scripted peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from bifrost.ib import ConnectFailure, IbConnectError, IbConnection, IbError, IbNotConnected, IbRequestTimeout
from bifrost.ib.connection import _farm

from tests.support.fake_gateway import FakeGateway, until


def connection(**options: object) -> IbConnection:
    return IbConnection(7, **{"connect_timeout_s": 2.0, "readonly": True, **options})  # type: ignore[arg-type]


def failure_of(connect: Callable[[IbConnection], object], **options: object) -> IbConnectError:
    async def run() -> IbConnectError:
        link = connection(**options)
        with pytest.raises(IbConnectError) as caught:
            await connect(link)  # type: ignore[misc]
        assert not link.is_connected
        return caught.value

    return asyncio.run(run())


def test_connect_gives_accounts_and_version() -> None:
    async def run() -> None:
        async with FakeGateway(("DU1", "DU2")) as gateway:
            link = connection()
            heard: list[str] = []
            link.on_connected.add(lambda: heard.append("up"))
            link.on_disconnected.add(heard.append)
            assert await link.connect("127.0.0.1", gateway.port) == ("DU1", "DU2")
            assert (link.server_version, link.is_connected) == (176, True)
            assert link.connected_since is not None
            link.disconnect("done")
            assert heard == ["up", "done"]
            with pytest.raises(IbNotConnected):
                _ = link.ib

    asyncio.run(run())


def test_refused_names_the_address() -> None:
    error = failure_of(lambda link: link.connect("127.0.0.1", 1))
    assert error.failure is ConnectFailure.REFUSED
    assert "127.0.0.1:1 refused" in str(error)


def test_unknown_host_is_unreachable() -> None:
    error = failure_of(lambda link: link.connect("gateway.invalid", 4002))
    assert error.failure is ConnectFailure.UNREACHABLE


def test_client_id_in_use_is_told_at_once() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            gateway.taken_client_ids.add(7)
            began = time.monotonic()
            with pytest.raises(IbConnectError) as caught:
                await connection(connect_timeout_s=10.0).connect("127.0.0.1", gateway.port)
            assert caught.value.failure is ConnectFailure.CLIENT_ID_IN_USE
            # The library itself waits for its connect time-out here (tws-protocol.md G9).
            assert time.monotonic() - began < 5.0
            assert "client id 7 is in use" in str(caught.value)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ConnectFailure.WRONG_PEER),
        (b"", ConnectFailure.CLOSED),
        (None, ConnectFailure.TIMEOUT),
    ],
)
def test_a_peer_that_is_no_gateway(answer: bytes | None, expected: ConnectFailure) -> None:
    async def run() -> None:
        ended = asyncio.Event()

        async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(64)
            if answer is None:
                await ended.wait()
            elif answer:
                writer.write(answer)
                await ended.wait()
            writer.close()

        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(IbConnectError) as caught:
            await connection(connect_timeout_s=0.3 if answer is None else 5.0).connect("127.0.0.1", port)
        assert caught.value.failure is expected
        ended.set()
        server.close()

    asyncio.run(run())


def test_the_end_is_told_once_with_its_reason_and_a_new_session_is_fresh() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection()
            ends: list[str] = []
            link.on_disconnected.add(ends.append)
            await link.connect("127.0.0.1", gateway.port)
            first = link.ib
            gateway.sessions[0].close()
            await until(lambda: bool(ends))
            assert not link.is_connected
            await link.connect("127.0.0.1", gateway.port)
            assert link.ib is not first
            assert len(ends) == 1
            link.disconnect()
            assert len(ends) == 2

    asyncio.run(run())


def test_an_open_request_fails_when_the_connection_ends() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection()
            await link.connect("127.0.0.1", gateway.port)
            asked = asyncio.ensure_future(link.request("nothing", lambda _req_id: None, 30.0))
            await asyncio.sleep(0)
            gateway.sessions[0].close()
            with pytest.raises(IbNotConnected, match="ended"):
                await asked

    asyncio.run(run())


def test_a_request_without_answer_has_a_limit() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection()
            await link.connect("127.0.0.1", gateway.port)
            with pytest.raises(IbRequestTimeout, match="account summary"):
                await link.request("account summary", lambda _req_id: None, 0.05)
            link.disconnect()

    asyncio.run(run())


def test_a_silent_gateway_is_asked_for_its_time() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection(probe_silence_s=0.03)
            await link.connect("127.0.0.1", gateway.port)
            await until(lambda: len(gateway.requests(49)) >= 2)
            await until(lambda: link.gateway_time_s == 1_400_000_000)
            assert link.silence_s() < 1.0
            link.disconnect()

    asyncio.run(run())


def test_a_gateway_that_answers_nothing_more_is_given_up() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            gateway.handlers.clear()
            link = connection(probe_silence_s=0.03, dead_after_s=0.2)
            ends: list[str] = []
            link.on_disconnected.add(ends.append)
            await link.connect("127.0.0.1", gateway.port)
            await until(lambda: bool(ends))
            assert "nothing came for" in ends[0]

    asyncio.run(run())


def test_farm_and_connectivity_messages_are_kept() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection()
            heard: list[IbError] = []
            link.on_error.add(heard.append)
            await link.connect("127.0.0.1", gateway.port)
            session = gateway.sessions[0]
            session.error(-1, 2103, "Market data farm connection is broken:usfarm")
            session.error(-1, 1100, "Connectivity between IB and TWS has been lost.")
            await until(lambda: len(heard) == 2)
            assert set(link.broken_farms) == {"usfarm"}
            assert not link.broker_link_up
            session.error(-1, 2104, "Market data farm connection is OK:usfarm")
            session.error(-1, 1102, "Connectivity restored, data maintained.")
            await until(lambda: len(heard) == 4)
            assert not link.broken_farms
            assert link.broker_link_up
            link.disconnect()

    asyncio.run(run())


def test_a_port_reset_ends_the_connection() -> None:
    async def run() -> None:
        async with FakeGateway() as gateway:
            link = connection()
            ends: list[str] = []
            link.on_disconnected.add(ends.append)
            await link.connect("127.0.0.1", gateway.port)
            gateway.sessions[0].error(-1, 1300, "Socket port has been reset: 7498")
            await until(lambda: bool(ends))
            assert "1300" in ends[0]

    asyncio.run(run())


def test_farm_name() -> None:
    assert _farm("Market data farm connection is broken:usfarm.nj") == "usfarm.nj"
    assert _farm("no name at all") == "no name at all"
