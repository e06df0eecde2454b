"""One time of leading: from the lease gained to its loss or the stop. Owns the hedger and everything that feeds it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from bifrost.calendar import TradingCalendar
from bifrost.clock import MarketClock
from bifrost.config import IbSettings
from bifrost.db import DatabaseError, DatabaseUnavailable
from bifrost.tasks import end_tasks

from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.effects import Alert, RecorderEffect, RecordHistory, Severity
from bifrost_engine.domain.events import (
    CommandReceived,
    ConnectivityLost,
    ConnectivityRestored,
    DatabaseChanged,
    Event,
    LeaseChanged,
    OrderStatusReported,
    SequenceReserved,
    Stopping,
    SuspensionRead,
)
from bifrost_engine.domain.ledger.restore import initial_state
from bifrost_engine.domain.machines.daemon import DaemonEvent, DaemonState
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.words import Mode

from .accounts import AccountsKeeper
from .control import CommandDesk, RunStatusRead
from .daemon_state import DaemonStatus
from .heartbeat import Beater
from .hedger import Hedger
from .link import LinkKeeper
from .paper import PaperBroker
from .parts import Market, Parts
from .picture import picture
from .ports import Broker, Tape
from .recorder import RecordKeeper
from .rows import Book
from .service_ports import GatewayUnavailable, Login
from .shadows import ShadowDesk

log = logging.getLogger(__name__)
#: A working order gets this long to be cancelled before the engine leaves (wall seconds).
FAREWELL_S = 3.0
_DATABASE_RETRY_S = 1.0


class Tenure:
    """Leads under one epoch. `lead` returns when `end` was called or the lease was lost."""

    def __init__(self, parts: Parts, epoch: int, status: DaemonStatus, *, stop: Callable[[str, int], None]) -> None:
        self._parts = parts
        self._epoch = epoch
        self._rules = parts.rules
        self._market: Market | None = None
        self._status = status
        self._clock = parts.clock
        config = parts.rules.config
        self._desk = parts.make_desk(epoch, self._database_changed, self._lease_refused)
        self._link = LinkKeeper(
            parts.gateway,
            self,
            self.sink,
            self._clock,
            address=self._address,
            trust=parts.trust,
            retry_s=config.daemon.ib_retry_interval_sec,
        )
        self._accounts = AccountsKeeper(parts.gateway, self._desk, self.sink, self._clock, lambda: self._account)
        self._beater = Beater(
            self._desk,
            self._link,
            interval_s=config.daemon.heartbeat_interval,
            hedging=lambda: status.state is DaemonState.RUNNING,
            on_beat=self._on_beat,
            keep_days=(config.retention.history_days, config.retention.decisions_days),
        )
        commands = CommandDesk(
            self._desk, self._link, self._accounts, self.sink, self._clock,
            stop=stop, on_interval=self._beater.set_interval,
        )  # fmt: skip
        self._run_status: RunStatusRead | None = None
        self._commands = commands
        self._control = parts.make_control(epoch, commands.command, self._on_run_status)
        self._hedger: Hedger[State, Step] | None = None
        self._recorder: RecordKeeper | None = None
        self._paper: PaperBroker | None = None
        self._tape: Tape | None = None
        self._shadows = ShadowDesk(lambda: self._rules, self._record, parts.commission)
        self._account = ""
        self._settings: IbSettings | None = None
        self._database = (False, "not connected yet")
        self._lease_ok = True
        self._stopping = ""
        self._over = asyncio.Event()
        self._no_order = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._beating: asyncio.Task[None] | None = None
        self.lost = False
        self.failed = ""
        """Why the engine must be started anew; empty while it works."""
        parts.gateway.on_accounts_wanted = self._accounts.want
        status.listeners.append(self._daemon_changed)

    # -- the life of a tenure

    async def lead(self) -> None:
        self._desk.start()
        self._tasks = [asyncio.ensure_future(self._guard(self._begin()))]
        await self._over.wait()

    async def _begin(self) -> None:
        """What must be known first, then everything that runs side by side."""
        self._account = self._parts.rules.config.ib.account or await self._patiently(self._desk.known_account)
        if self._account:
            await self._open_book(self._account)
        self._control.start()
        for work in (self._link.run(), self._beater.run(), self._accounts.run()):
            self._tasks.append(asyncio.ensure_future(self._guard(work)))

    async def _guard(self, work: Awaitable[None]) -> None:
        """No part dies silently: the engine then leaves its place to one that works."""
        try:
            await work
        except Exception as error:
            log.critical("a part of the engine failed: %s", error, exc_info=True)
            self.alert(Severity.CRITICAL, "engine_fault", f"a part failed: {error}")
            self.failed = f"a part of the engine failed: {error}"
            self._over.set()

    async def _patiently(self, read: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await read()
            except DatabaseUnavailable:
                await asyncio.sleep(_DATABASE_RETRY_S)

    async def _open_book(self, account: str) -> None:
        """Take over what an earlier life of (account, mode) left, and begin to hedge on it."""
        parts, rules = self._parts, self._rules
        restored = await self._patiently(lambda: self._desk.restore(account, parts.mode, rules.config.symbol))
        self._account = account
        if self._market is None:
            self._market = parts.market_clock(restored.last_market_s, self._market_changed)
            self._clock.market = self._market.clock
        await self._shadows.open(lambda: self._patiently(lambda: self._desk.shadow_books(account, parts.mode)))
        now = self._clock.now()
        state, notes = initial_state(restored, rules, now)
        if self._tape is not None:
            self._tape.close()
        self._tape = tape = parts.make_tape(restored, now, lambda: self._rules) if parts.make_tape else None
        book = Book(account, parts.mode, rules.config.symbol, rules.config_hash, self._epoch)
        self._recorder = recorder = RecordKeeper(
            self._desk, book, sink=self.sink, clock=self._clock, reserve=self._reserve, identity=self._identity
        )
        broker: Broker = parts.gateway
        if parts.mode is Mode.PAPER:
            broker = self._paper = PaperBroker(parts.gateway, self.sink, self._clock)
        self._hedger = hedger = Hedger(
            state,
            decide=lambda state, event: decide(state, event, self._rules),
            snapshot=self._snapshot,
            clock=self._clock,
            broker=broker,
            recorder=recorder,
            last_arrival=parts.gateway.last_arrival_s,
            on_step=self._follow,
            tape=tape.event if tape is not None else None,
        )
        for note in notes:
            code, _, text = note.partition(": ")
            self.alert(Severity.WARNING, code, text)
        if self._beating is not None:
            self._beating.cancel()
        self._beating = asyncio.ensure_future(self._guard(hedger.run()))
        self._tell_standing()

    def _tell_standing(self) -> None:
        """What a new core must hear first: lease, database, suspension."""
        now = self._clock.now()
        self.sink(LeaseChanged(now, held=True))
        self._tell_database()
        if self._run_status is not None:
            self.sink(SuspensionRead(now, self._run_status.suspended))

    async def end(self, reason: str) -> None:
        """Stop order work first, then the link, then everything else; nothing leaves after this."""
        self._stopping = reason
        if self.lost:
            self.sink(LeaseChanged(self._clock.now(), held=False, lost=True))
        else:
            self.sink(Stopping(self._clock.now(), reason))
        await self._farewell()
        tasks = [*self._tasks, *([self._beating] if self._beating is not None else [])]
        await end_tasks(tasks)
        self._parts.gateway.disconnect(reason)
        await self._control.close()
        if self._market is not None:
            await self._market.close()

    async def _farewell(self) -> None:
        """Wait, not for long, until no order of ours is out."""
        hedger = self._hedger
        if hedger is None:
            return
        hedger.drain()
        if hedger.state.order is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._no_order.wait()
        order = hedger.state.order
        if order is not None:
            log.warning("leaving with order %s unresolved: the next start finds out", order.order_ref)

    async def close(self, *, graceful: bool, finished: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the last rows: the picture, ends of commands, the graceful mark."""
        hedger, self._hedger = self._hedger, None
        if hedger is not None:
            hedger.drain()
            hedger.publish()
        self._shadows.flush()
        self._status.listeners.remove(self._daemon_changed)
        for command_id, result in finished.items():
            self._desk.finish_command(command_id, "done", result)
        if self._tape is not None:
            self._tape.close()
        if graceful:
            self._beater.beat(graceful_shutdown=True)
        await self._desk.close()

    # -- events on their way to the core

    def sink(self, event: Event) -> None:
        if isinstance(event, ConnectivityLost):
            self._link.ib_lost()
            self._status.step(DaemonEvent.LINK_LOST)
        elif isinstance(event, ConnectivityRestored):
            self._link.ib_restored()
            self._status.step(DaemonEvent.LINK_RESTORED)
            self._accounts.want()
        if self._hedger is None:
            if isinstance(event, CommandReceived) and self._recorder is None:
                self._desk.finish_command(
                    event.command_id, "refused", {"reason": "no trading account is known yet: IB has not been reached"}
                )
            return
        if self._paper is not None:
            self._paper.watch(event)
        self._hedger.sink(event)
        if isinstance(event, OrderStatusReported):
            asyncio.get_running_loop().call_soon(self._keep_late_status, event)

    def _keep_late_status(self, event: OrderStatusReported) -> None:
        """Runs behind the evaluation of the event: what the core still works it has recorded itself."""
        order = self._hedger.state.order if self._hedger is not None else None
        if self._recorder is not None and (order is None or order.order_ref != event.order_ref):
            self._recorder.late_status(event)

    def _follow(self, step: Step) -> None:
        if self._tape is not None and self._hedger is not None:
            self._tape.step(self._hedger.consumed, step)
        if step.state.order is None:
            self._no_order.set()
        else:
            self._no_order.clear()
        self._status.follow(step.state.recon.done, step.state.suspended)
        self._shadows.follow(step)

    def _daemon_changed(self, state: DaemonState) -> None:
        self._beater.changed()
        if self._hedger is not None:
            # The change may come out of an evaluation: the picture follows when it is complete.
            asyncio.get_running_loop().call_soon(self._hedger.publish)

    def take_rules(self, rules: Rules) -> None:
        """A reloaded configuration counts from the next event on, and in everything that waits by it."""
        self._rules = replace(rules, calendar=self._rules.calendar)
        self._link.retry_s = rules.config.daemon.ib_retry_interval_sec
        set_by_operator = self._run_status is not None and self._run_status.heartbeat_interval_s is not None
        self._beater.configure(rules.config, keep_interval=set_by_operator)
        if self._recorder is not None:
            self._recorder.config_changed(rules.config_hash)

    def alert(self, severity: Severity, code: str, message: str) -> None:
        """Say something that no evaluation says."""
        self._record(Alert(self._clock.now(), severity, code, message))

    def _record(self, effect: RecorderEffect) -> None:
        if self._recorder is not None:
            self._recorder.record(effect)

    def _market_changed(self, clock: MarketClock) -> None:
        """A market that never closes has another calendar."""
        if clock.always_open != self._rules.calendar.always_open:
            self._rules = replace(self._rules, calendar=TradingCalendar(always_open=clock.always_open))

    # -- database and lease

    def lease_interrupted(self, interrupted: bool) -> None:
        """The lock's connection is gone (no new risk at once), or back."""
        self._lease_ok = not interrupted
        self._tell_database()

    def lease_lost(self) -> None:
        """Order work stops in this turn of the loop: an intent that became durable just before must not leave."""
        self.lost = True
        self.sink(LeaseChanged(self._clock.now(), held=False, lost=True))
        self._over.set()

    def leave(self) -> None:
        """Make `lead` return."""
        self._over.set()

    def _lease_refused(self) -> None:
        self.lease_lost()

    def _database_changed(self, available: bool, reason: str) -> None:
        self._database = (available, reason)
        self._tell_database()

    def _tell_database(self) -> None:
        available, reason = self._database
        if available and not self._lease_ok:
            available, reason = False, "the lease's connection is lost"
        self.sink(DatabaseChanged(self._clock.now(), available, reason))

    def _reserve(self) -> None:
        async def reserve() -> None:
            try:
                block = await self._desk.reserve_sequence()
            except DatabaseError as error:
                log.warning("no further decision numbers: %s", error)
                return
            self.sink(SequenceReserved(self._clock.now(), block.start, block.stop))

        self._tasks.append(asyncio.ensure_future(reserve()))

    # -- the link (LinkListener)

    def connecting(self) -> None:
        self._status.step(DaemonEvent.RETRY)
        self._beater.changed()

    def connect_failed(self, reason: str) -> None:
        self._status.step(DaemonEvent.CONNECT_FAILED)
        asyncio.get_running_loop().call_soon(self._beater.changed)

    def link_up(self) -> None:
        self._status.step(DaemonEvent.LINK_UP)
        self._accounts.want()
        self._beater.changed()

    def link_lost(self, reason: str) -> None:
        self._status.step(DaemonEvent.LINK_LOST)
        asyncio.get_running_loop().call_soon(self._beater.changed)

    async def prepare(self, login: Login) -> str:
        """The configured account, else the only one; a book for it is opened when it is another than before."""
        wanted = self._parts.rules.config.ib.account
        managed = ", ".join(login.accounts)
        if wanted and wanted not in login.accounts:
            raise GatewayUnavailable(f"{login.address} manages {managed}, not ib.account {wanted}")
        if not wanted and len(login.accounts) != 1:
            raise GatewayUnavailable(f"{login.address} manages {managed}: name the one that trades in ib.account")
        account = wanted or login.accounts[0]
        if account != self._account or self._hedger is None:
            await self._open_book(account)
        return account

    async def _address(self) -> tuple[str, int]:
        try:
            self._settings = await self._desk.ib_settings()
        except DatabaseError as error:
            log.info("the saved IB address cannot be read, the last one known stands: %s", error)
        return self._parts.address(self._settings)

    # -- what is shown

    def _on_run_status(self, status: RunStatusRead) -> None:
        self._run_status = status
        self._commands.run_status(status)

    def _on_beat(self) -> None:
        self._parts.look_at_config()
        self._control.poll()
        self._accounts.want()
        if self._hedger is None or self._recorder is None:
            return
        self._hedger.publish()
        now = self._clock.now()
        if now.market_s is not None and self._hedger.step is not None:
            self._recorder.record(RecordHistory(now, "heartbeat"))

    def _snapshot(self, step: Step) -> dict[str, object]:
        return picture(
            step,
            self._rules,
            daemon=self._status.state,
            stopping=self._stopping,
            retry_s=self._link.seconds_until_retry(),
            market=self._clock.market,
        )

    @property
    def _identity(self) -> dict[str, Any]:
        return {"instance_id": str(self._parts.instance_id), "epoch": self._epoch}
