"""The port Desk on PostgreSQL: the writer's thread, with reads and live rows in their place among the records."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import psycopg2
from bifrost.config import IbPortType, IbSettings
from bifrost.control import CommandStatus
from bifrost.db import Connection, DatabaseError, DatabaseUnavailable, control_rows
from bifrost.db.live_rows import Heartbeat, put_heartbeat
from bifrost.db.queries.status import settings
from bifrost.db.records import Retention
from bifrost.ib import AccountsReport

from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.words import Mode

from . import restore as restoring
from .live import write_accounts
from .store import Store

log = logging.getLogger(__name__)


def _accept(conn: Connection, command_id: int, epoch: int) -> None:
    if control_rows.accept(conn, command_id, epoch) is None:
        log.error("command %d was carried out although its row was taken or expired meanwhile", command_id)


def _finish(conn: Connection, command_id: int, status: str, result: Mapping[str, Any]) -> None:
    if not control_rows.finish(conn, command_id, status, result) and status == CommandStatus.REFUSED:
        # Refused after it was begun (a flatten that may not go on): an accepted command can only fail.
        control_rows.finish(conn, command_id, CommandStatus.FAILED, result)


class PostgresDesk(Store):
    """See `bifrost_engine.app.service_ports.Desk`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._command_rows_due: deque[Callable[[Connection], None]] = deque(maxlen=1000)

    # -- commands

    def accept_command(self, command_id: int) -> None:
        """Mark a command accepted, before the records of what it does."""
        self._command_row(lambda conn: _accept(conn, command_id, self.epoch), f"command {command_id}")

    def finish_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None:
        """Write what came of a command, after every record handed over before."""
        answer = dict(result)
        self._command_row(lambda conn: _finish(conn, command_id, status, answer), f"end of command {command_id}")

    def _command_row(self, write: Callable[[Connection], None], what: str) -> None:
        """A change of a row of daemon_control; kept and made later when the database is away now."""

        def judge(done: Future[None]) -> None:
            error = done.exception()
            if isinstance(error, DatabaseUnavailable):
                self._command_rows_due.append(write)
            elif error is not None:
                log.error("%s was not written: %s", what, error)

        self.submit(write).add_done_callback(judge)

    def _returned(self, conn: Connection) -> None:
        while self._command_rows_due:
            self._command_rows_due[0](conn)
            self._command_rows_due.popleft()

    # -- rows that say how things are now, and reads

    def beat(self, beat: Heartbeat) -> None:
        self.put_latest("daemon_heartbeat", lambda cursor: put_heartbeat(cursor, beat))

    async def restore(self, account: str, mode: Mode, symbol: str) -> Restored:
        return await self.call(lambda conn: restoring.restore(conn, account, mode, symbol))

    async def shadow_books(self, account: str, mode: Mode) -> list[Mapping[str, Any]]:
        return await self.call(lambda conn: restoring.shadow_books(conn, account, mode))

    async def known_account(self) -> str:
        return await self.call(restoring.known_account)

    async def reserve_sequence(self) -> range:
        return await self.call(restoring.reserve_sequence)

    async def write_accounts(self, report: AccountsReport) -> None:
        try:
            await self.call(lambda conn: write_accounts(conn, report))
        except psycopg2.Error as error:
            # Rows for the page: that they cannot be written is told, and no reason to stop hedging.
            raise DatabaseError(f"accounts could not be written: {error}") from error

    async def ib_settings(self) -> IbSettings | None:
        """The address an operator saved, None until somebody did."""
        row = await self.call(settings)
        return IbSettings(row.ib_host, IbPortType(row.ib_port_type)) if row else None

    async def retention(self, history_days: int, decisions_days: int) -> int:
        """Remove history and decisions that are older; returns the number of rows."""
        return await self.call(Retention(history_days, decisions_days).run)
