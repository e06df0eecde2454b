"""What a command asks of the process; what it asks of trading goes to the core and comes back as FinishCommand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bifrost.control import Command
from bifrost.db import DatabaseError
from bifrost.ib import IbNotConnected, IbRequestError, IbRequestTimeout

from bifrost_engine.domain.events import CommandReceived, SuspensionRead

from .accounts import AccountsKeeper
from .link import LinkKeeper
from .ports import Clock, Sink
from .service_ports import Desk

log = logging.getLogger(__name__)
OF_THE_PROCESS = frozenset({Command.STOP, Command.RETRY_IB, Command.REFRESH_ACCOUNTS, Command.SET_HEARTBEAT_INTERVAL})


class RunStatusRead(Protocol):
    """``daemon_run_status`` as read; both None when it could not be."""

    @property
    def suspended(self) -> bool | None: ...

    @property
    def heartbeat_interval_s(self) -> float | None: ...


class CommandDesk:
    """Carries out accepted commands and records what came of them.

    Parameters
    ----------
    stop : callable
        ``(reason, command id)``: ends the desk; the command's end is written on the way out.
    on_interval : callable
        Told the heartbeat interval, seconds, whenever it is read.
    """

    def __init__(
        self,
        desk: Desk,
        link: LinkKeeper,
        accounts: AccountsKeeper,
        sink: Sink,
        clock: Clock,
        *,
        stop: Callable[[str, int], None],
        on_interval: Callable[[float], None],
    ) -> None:
        self._desk = desk
        self._link = link
        self._accounts = accounts
        self._sink = sink
        self._clock = clock
        self._stop = stop
        self._on_interval = on_interval
        self._interval_s: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def run_status(self, status: RunStatusRead) -> None:
        """Suspension as it stands; where it cannot be read the core behaves as suspended."""
        self._sink(SuspensionRead(self._clock.now(), status.suspended))
        if status.heartbeat_interval_s is not None:
            self._interval_s = status.heartbeat_interval_s
            self._on_interval(status.heartbeat_interval_s)

    def command(self, command_id: int, command: Command, args: Mapping[str, Any]) -> None:
        """A valid command; the run status that was written with it has been read before."""
        if command not in OF_THE_PROCESS:
            # The core refuses it or has it accepted, before anything it does is recorded.
            self._sink(CommandReceived(self._clock.now(), command_id, str(command), args))
            return
        self._desk.accept_command(command_id)
        if command is Command.STOP:
            self._stop("stop command", command_id)
        elif command is Command.RETRY_IB:
            self._desk.finish_command(command_id, "done", {"what": self._link.retry()})
        elif command is Command.REFRESH_ACCOUNTS:
            task = asyncio.ensure_future(self._refresh(command_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._heartbeat_interval(command_id, float(args["seconds"]))

    def _heartbeat_interval(self, command_id: int, seconds: float) -> None:
        if self._interval_s == seconds:
            self._desk.finish_command(command_id, "done", {"heartbeat_interval_sec": seconds})
            return
        reason = (
            f"daemon_run_status.heartbeat_interval_sec is {self._interval_s}, not {seconds:g}: "
            "set it in the transaction that inserts the command"
        )
        self._desk.finish_command(command_id, "failed", {"reason": reason})

    async def _refresh(self, command_id: int) -> None:
        try:
            report = await self._accounts.refresh()
        except (IbNotConnected, IbRequestError, IbRequestTimeout, OSError, DatabaseError) as error:
            self._desk.finish_command(command_id, "failed", {"reason": str(error)})
            return
        result = {
            "accounts": [account.account for account in report.accounts],
            "positions": sum(len(account.positions) for account in report.accounts),
            "fetched_at": report.fetched_at.isoformat(),
        }
        self._desk.finish_command(command_id, "done", result)
