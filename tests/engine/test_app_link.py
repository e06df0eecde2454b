"""The link to IB: attempts, countdown, trust, and what the daemon hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bifrost_engine.app.daemon_state import DaemonStatus
from bifrost_engine.app.link import LinkKeeper, Trust
from bifrost_engine.app.service_ports import GatewayUnavailable, Login
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.daemon import DaemonEvent, DaemonState
from bifrost_engine.domain.words import Times

from tests.support.fake_gateway import until

AT = Times(10.0, 20.0)
LOGIN = Login(("DU1",), 1, "127.0.0.1:4002")


class World:
    """A gateway that answers as told, and a listener that remembers."""

    def __init__(self, **options: Any) -> None:
        self.answers: list[Login | str] = []
        self.told: list[str] = []
        self.events: list[ev.Event] = []
        self.asked: list[tuple[str, int]] = []
        self.disconnects: list[str] = []
        self.retried = 0
        self.trusted: Callable[[Login], Awaitable[Trust]] = self._trusted
        self.on_ended: Callable[[str], None] = lambda reason: None
        self.on_accounts_wanted: Callable[[], None] = lambda: None
        self.connected = False
        options = {"retry_s": 30.0, "keep_lost_ib_s": 120.0} | options
        self.link = LinkKeeper(
            self, self, self.events.append, self, address=self._address, trust=self._trust, **options
        )

    async def _address(self) -> tuple[str, int]:
        return "127.0.0.1", 4002 + len(self.asked)

    async def _trust(self, login: Login) -> Trust:
        return await self.trusted(login)

    async def _trusted(self, login: Login) -> Trust:
        return Trust(True)

    # Gateway
    async def connect(self, host: str, port: int) -> Login:
        self.asked.append((host, port))
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise GatewayUnavailable(answer)
        self.connected = True
        return answer

    def trade_for(self, account: str) -> None:
        self.told.append(f"trade {account}")

    def disconnect(self, reason: str) -> None:
        self.disconnects.append(reason)
        if self.connected:
            self.connected = False
            self.on_ended(reason)

    def retry_lines(self) -> None:
        self.retried += 1

    def last_arrival_s(self) -> float | None:
        return None

    def carry_out(self, effect: Any) -> None:
        raise AssertionError(f"the link sends nothing: {effect}")

    async def fetch_accounts(self) -> Any:
        raise AssertionError("the link reads no accounts")

    # Clock
    def now(self) -> Times:
        return AT

    # LinkListener
    def connecting(self) -> None:
        self.told.append("connecting")

    def connect_failed(self, reason: str) -> None:
        self.told.append(f"failed {reason}")

    def link_up(self) -> None:
        self.told.append("up")

    def link_lost(self, reason: str) -> None:
        self.told.append(f"lost {reason}")

    async def prepare(self, login: Login) -> str:
        return login.accounts[0]


def live(scene: Callable[[World], Awaitable[None]], **options: Any) -> World:
    async def play() -> World:
        world = World(**options)
        task = asyncio.ensure_future(scene(world))
        await task
        return world

    return asyncio.run(play())


def test_a_refused_attempt_counts_down_and_retry_ib_cuts_it_short() -> None:
    async def scene(world: World) -> None:
        world.answers = ["refused", LOGIN]
        task = asyncio.ensure_future(world.link.run())
        await until(lambda: world.link.seconds_until_retry() is not None)
        assert world.link.seconds_until_retry() in (29, 30)
        assert (world.link.connected, world.link.last_error) == (False, "refused")
        assert "connecting" in world.link.retry()
        await until(lambda: world.link.connected)
        assert world.link.seconds_until_retry() is None
        # A saved address counts from the next attempt on.
        assert world.asked == [("127.0.0.1", 4002), ("127.0.0.1", 4003)]
        assert "lines in error" in world.link.retry() and world.retried == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not world.connected

    world = live(scene)
    assert world.told == ["connecting", "failed refused", "connecting", "up", "trade DU1"]
    assert world.events[0] == ev.LinkUp(AT, ("DU1",), 1, True)


def test_an_ended_session_is_told_and_taken_up_soon() -> None:
    async def scene(world: World) -> None:
        world.answers = [LOGIN, LOGIN]
        task = asyncio.ensure_future(world.link.run())
        await until(lambda: world.link.connected)
        world.disconnect("the gateway closed the connection")
        await until(lambda: len(world.asked) == 2)
        task.cancel()

    world = live(scene, retry_s=0.05)
    assert [type(event) for event in world.events] == [ev.LinkUp, ev.LinkDown, ev.LinkUp]
    assert "lost the gateway closed the connection" in world.told


def test_another_gateway_is_not_trusted_and_says_so() -> None:
    async def scene(world: World) -> None:
        async def foreign(login: Login) -> Trust:
            return Trust(False, "this is another gateway")

        world.answers, world.trusted = [LOGIN], foreign
        task = asyncio.ensure_future(world.link.run())
        await until(lambda: world.link.connected)
        assert world.link.last_error == "this is another gateway"
        task.cancel()

    world = live(scene)
    (up,) = world.events
    assert isinstance(up, ev.LinkUp) and not up.trusted


def test_where_trust_cannot_be_judged_there_is_no_link() -> None:
    async def scene(world: World) -> None:
        async def unknown(login: Login) -> Trust:
            raise GatewayUnavailable("the simulator does not answer")

        world.answers, world.trusted = [LOGIN], unknown
        task = asyncio.ensure_future(world.link.run())
        await until(lambda: world.link.seconds_until_retry() is not None)
        assert world.disconnects == ["the simulator does not answer"]
        task.cancel()

    assert live(scene).events == []


def test_lost_ib_keeps_the_socket_for_a_while_only() -> None:
    async def scene(world: World) -> None:
        world.answers = [LOGIN, LOGIN]
        task = asyncio.ensure_future(world.link.run())
        await until(lambda: world.link.connected)
        world.link.ib_lost()
        world.link.ib_restored()
        world.link.ib_lost()
        await until(lambda: bool(world.disconnects))
        assert "1100" in world.disconnects[0]
        await until(lambda: len(world.asked) == 2)
        task.cancel()

    live(scene, keep_lost_ib_s=0.02, retry_s=0.02)


def test_the_daemon_follows_the_core() -> None:
    status, seen = DaemonStatus(), list[DaemonState]()
    status.listeners.append(seen.append)
    for event in (DaemonEvent.AWAIT_LEASE, DaemonEvent.LEASE_GAINED, DaemonEvent.LINK_UP):
        status.step(event)
    status.follow(reconciled=False, suspended=False)
    assert status.state is DaemonState.CONNECTED
    status.follow(reconciled=True, suspended=None)
    assert status.state is DaemonState.RUNNING_SUSPENDED
    status.follow(reconciled=True, suspended=False)
    status.follow(reconciled=False, suspended=False)
    assert status.state is DaemonState.RUNNING
    assert seen[-3:] == [DaemonState.RUNNING, DaemonState.RUNNING_SUSPENDED, DaemonState.RUNNING]
