"""The engine's ports to the database: writer, commands, lease. Latency, outages and kills happen here."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bifrost.config import IbSettings
from bifrost.control import Command
from bifrost.db import DatabaseUnavailable, LeaseLost, RecordRefused
from bifrost.db.live_rows import Heartbeat
from bifrost.db.records import SeqCounter, record_for
from bifrost.db.spool import SpoolRecord
from bifrost.ib import AccountsReport
from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.words import Mode

from .broker import ACCOUNT
from .clock import Agenda
from .database import Database
from .faults import Faults

RETRY_S = 0.7
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """`daemon_run_status` as read."""

    suspended: bool | None
    heartbeat_interval_s: float | None


@dataclass(slots=True)
class _Item:
    record: SpoolRecord
    on_durable: Callable[[], None] | None
    on_failed: Callable[[str], None] | None


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    done: asyncio.Future[Any] | None
    """None for a row of daemon_control, kept and made later when the database is away."""


class SimDesk:
    """Implements the port Desk as `adapters.postgres` does: records in order, each committed or in the spool before
    its callback; while the database is away everything goes to the spool, and comes back before anything else."""

    def __init__(
        self,
        agenda: Agenda,
        database: Database,
        faults: Faults,
        rng: random.Random,
        epoch: int,
        on_change: Callable[[bool, str], None],
        on_lease_lost: Callable[[], None],
    ) -> None:
        self._agenda = agenda
        self._database = database
        self._faults = faults
        self._rng = rng
        self.epoch = epoch
        self._counter = SeqCounter(epoch)
        self._on_change = on_change
        self._on_lease_lost = on_lease_lost
        self._queue: deque[_Item | _Call] = deque()
        self._due: deque[Callable[[], Any]] = deque()
        self._snapshot: dict[str, Any] | None = None
        self._scheduled = False
        self._lease_lost = False
        self._said: bool | None = None
        self._next_try_s = 0.0
        self.refused: list[str] = []
        self.dead = False

    def start(self) -> None:
        self._schedule()

    # -- from the loop

    def put(
        self,
        table: str,
        row: Mapping[str, Any],
        *,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        if self.dead:
            return
        self._queue.append(_Item(record_for(table, row, self._counter), on_durable, on_failed))
        self._schedule()

    def put_snapshot(self, row: Mapping[str, Any]) -> None:
        self._snapshot = {"id": 1, **row}
        self._schedule()

    def accept_command(self, command_id: int) -> None:
        self._later(lambda: self._set_command(command_id, "accepted", {}))

    def finish_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None:
        self._later(lambda: self._set_command(command_id, status, result))

    def _set_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None:
        row = self._database.commands[command_id]
        if row.status in ("pending", "accepted"):
            row.status, row.result, row.epoch = status, dict(result), self.epoch

    def _later(self, work: Callable[[], Any]) -> None:
        if not self.dead:
            self._queue.append(_Call(work, None))
            self._schedule()

    @property
    def backlog(self) -> int:
        return len(self._queue) + len(self._database.spool)

    def beat(self, beat: Heartbeat) -> None:
        """A sign of life that nobody reads here."""

    async def _call(self, what: str, work: Callable[[], Any]) -> Any:
        self._faults.point(f"await:{what}:before")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Call(work, done))
        self._schedule()
        answer = await done
        self._faults.point(f"await:{what}:after")
        return answer

    async def restore(self, account: str, mode: Mode, symbol: str) -> Restored:
        restored: Restored = await self._call("restore", lambda: self._database.restore(account, mode))
        return restored

    async def known_account(self) -> str:
        return ACCOUNT

    async def reserve_sequence(self) -> range:
        block: range = await self._call("reserve", self._database.reserve)
        return block

    async def write_accounts(self, report: AccountsReport) -> None:
        await self._call("accounts", lambda: None)

    async def ib_settings(self) -> IbSettings | None:
        return None

    async def retention(self, history_days: int, decisions_days: int) -> int:
        return 0

    async def close(self, limit_s: float = 3.0) -> None:
        """Write or spool what is left."""
        while self._queue:
            self._turn()

    # -- the writer

    def _schedule(self) -> None:
        if not self._scheduled and not self.dead:
            self._scheduled = True
            latency_s = self._rng.uniform(0.0005, 0.004) + self._database.slow_s * self._rng.random()
            asyncio.get_running_loop().call_later(latency_s, self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self.dead:
            return
        self._turn()
        if self._queue or self._said is not True:
            self._scheduled = True
            asyncio.get_running_loop().call_later(RETRY_S if not self._queue else 0.001, self._run)

    def _turn(self) -> None:
        connected = self._ready()
        while self._queue:
            if isinstance(self._queue[0], _Call):
                call = self._queue.popleft()
                assert isinstance(call, _Call)
                self._carry_out(call, connected)
            elif connected:
                connected = self._write(self._taken())
            else:
                self._to_spool(self._taken())
        if connected and self._snapshot is not None:
            row, self._snapshot = self._snapshot, None
            self._show(record_for("status_current", row, self._counter))

    def _taken(self) -> list[_Item]:
        taken: list[_Item] = []
        while self._queue and len(taken) < _BATCH and isinstance(self._queue[0], _Item):
            item = self._queue.popleft()
            assert isinstance(item, _Item)
            taken.append(item)
        return taken

    def _ready(self) -> bool:
        if self._lease_lost:
            return False
        if self._said is not True and self._agenda.now_s < self._next_try_s:
            return False
        if self._database.down:
            self._went_away("connection refused")
            return False
        if self._said is not True or self._database.spool:
            try:
                self._faults.point("statement:replay:before")
                self._database.replay(self.epoch)
            except LeaseLost:
                self._lose_lease()
                return False
            self._faults.point("statement:replay:after")
            while self._due:
                self._due.popleft()()
            self._say(True, "")
        return True

    def _write(self, batch: list[_Item]) -> bool:
        """Commit a batch; False when the connection broke and the batch went to the spool."""
        name = "order_intents" if any(item.record.table == "order_intents" for item in batch) else "rows"
        self._faults.point(f"statement:{name}:before")
        try:
            self._commit([item.record for item in batch])
        except LeaseLost:
            self._lose_lease()
            self._to_spool(batch)
            return False
        except RecordRefused as error:
            self.refused.append(str(error))
            return True
        except ConnectionError as error:
            self._went_away(str(error))
            self._to_spool(batch)
            return False
        self._faults.point(f"statement:{name}:after")
        self._tell(batch)
        return True

    def _commit(self, records: list[SpoolRecord]) -> None:
        database, fault = self._database, self._faults.commit()
        if database.refuse_commits:
            database.refuse_commits -= 1
            self._faults.strike("commit refused")
            fault = "refused"
        if fault == "refused":
            raise ConnectionError("server closed the connection unexpectedly")
        database.write_all(records, self.epoch)
        if database.doubtful_commits:
            database.doubtful_commits -= 1
            self._faults.strike("commit in doubt")
            fault = "in doubt"
        if fault:
            raise ConnectionError("server closed the connection after COMMIT")

    def _show(self, snapshot: SpoolRecord) -> None:
        try:
            self._database.write_all([snapshot], self.epoch)
        except LeaseLost:
            self._lose_lease()

    def _to_spool(self, batch: list[_Item]) -> None:
        for item in batch:
            self._faults.point("spool:append:before")
            self._database.spool.append(item.record)
            self._faults.point("spool:append:after")
        self._tell(batch)

    def _tell(self, batch: list[_Item]) -> None:
        loop = asyncio.get_running_loop()
        for item in batch:
            if item.on_durable is not None:
                loop.call_soon(item.on_durable)

    def _carry_out(self, call: _Call, connected: bool) -> None:
        if not connected:
            if call.done is None:
                self._due.append(call.work)
            elif not call.done.done():
                call.done.set_exception(DatabaseUnavailable("the database is not available"))
            return
        answer = call.work()
        if call.done is not None and not call.done.done():
            call.done.set_result(answer)

    def _went_away(self, reason: str) -> None:
        self._next_try_s = self._agenda.now_s + RETRY_S
        self._say(False, reason)

    def _say(self, available: bool, reason: str) -> None:
        if self._said is not available:
            self._said = available
            asyncio.get_running_loop().call_soon(self._on_change, available, reason)

    def _lose_lease(self) -> None:
        if not self._lease_lost:
            self._lease_lost = True
            asyncio.get_running_loop().call_soon(self._on_lease_lost)
            self._say(False, "the lease has passed to another engine")


class SimControl:
    """Implements the port Control: run status and commands, read on a notification or a poll."""

    def __init__(
        self,
        database: Database,
        epoch: int,
        on_command: Callable[[int, Command, Mapping[str, Any]], None],
        on_run_status: Callable[[Standing], None],
    ) -> None:
        self._database = database
        self._epoch = epoch
        self._on_command = on_command
        self._on_run_status = on_run_status
        self._handed: set[int] = set()
        self._closed = False

    def start(self) -> None:
        for row in self._database.commands.values():
            if row.status == "accepted" and row.epoch < self._epoch:
                row.status, row.result = "failed", {"reason": "engine restarted"}
        self.poll()

    def poll(self) -> None:
        if not self._closed:
            asyncio.get_running_loop().call_later(0.005, self._read)

    async def close(self, limit_s: float = 3.0) -> None:
        self._closed = True

    def _read(self) -> None:
        if self._closed:
            return
        if self._database.down:
            self._on_run_status(Standing(None, None))
            return
        self._on_run_status(Standing(self._database.suspended, 120.0))
        for command_id, row in self._database.commands.items():
            if row.status == "pending" and command_id not in self._handed:
                self._handed.add(command_id)
                self._on_command(command_id, Command(row.command), row.args)


class SimLease:
    """Implements the port LeaseHolder: gained after a moment, interrupted with the database, lost when taken."""

    def __init__(self, agenda: Agenda, database: Database, faults: Faults, on_news: Callable[[str, str], None]) -> None:
        self._agenda = agenda
        self._database = database
        self._faults = faults
        self._on_news = on_news
        self._interrupted = False
        self._ended = False
        self.epoch: int | None = None

    def start(self) -> None:
        asyncio.get_running_loop().call_later(0.2, self._look)

    def beat_now(self, state_name: str) -> None:
        """Nobody reads the instances here."""

    def _look(self) -> None:
        if self._ended:
            return
        database = self._database
        if self.epoch is None:
            if not database.down and self._agenda.now_s >= database.other_leads_until_s:
                self._faults.point("await:lease:before")
                database.epoch += 1
                self.epoch = database.epoch
                self._faults.point("await:lease:after")
                self._on_news("gained", f"epoch {self.epoch}")
        elif database.down:
            if not self._interrupted:
                self._interrupted = True
                self._on_news("interrupted", "the lease's connection is lost")
        elif database.epoch > self.epoch:
            self.epoch, self._interrupted = None, False
            self._on_news("lost", "another engine has taken the lease")
        elif self._interrupted:
            self._interrupted = False
            self._on_news("retaken", f"epoch {self.epoch}")
        asyncio.get_running_loop().call_later(0.5, self._look)

    async def close(self, *, stop_desk: bool = False, limit_s: float = 5.0) -> None:
        self._ended = True
