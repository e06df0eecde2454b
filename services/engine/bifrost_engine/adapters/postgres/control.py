"""Commands and run status: listened for and polled on a thread of its own; what may be carried out goes to the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
from bifrost.control import Command, CommandError, parse_args, parse_command
from bifrost.db import Backoff, Connection, DatabaseError, control_rows
from bifrost.db.queries.status import run_status

log = logging.getLogger(__name__)
CHANNELS = ("bifrost_control", "bifrost_run_status")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """``daemon_run_status``; both None when it cannot be read, which counts as suspended."""

    suspended: bool | None
    heartbeat_interval_s: float | None


class ControlReader:
    """Takes commands for the leader.

    Parameters
    ----------
    open_connection : callable
        An autocommit connection under the lease epoch.
    on_command : callable
        ``(id, command, validated arguments)`` on the loop, once for each row; the row stays pending until it is
        accepted or refused through the writer, in its place among the records.
    on_run_status : callable
        On the loop, after each reading.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        epoch: int,
        *,
        on_command: Callable[[int, Command, Mapping[str, Any]], None],
        on_run_status: Callable[[RunStatus], None],
        poll_s: float = 10.0,
    ) -> None:
        self._open = open_connection
        self._epoch = epoch
        self._on_command = on_command
        self._on_run_status = on_run_status
        self.poll_s = poll_s
        self._conn: Connection | None = None
        self._backoff = Backoff(0.5, 5.0)
        self._handed: set[int] = set()
        self._ending = False
        self._wake_read, self._wake_write = os.pipe()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="engine-control", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def poll(self) -> None:
        """Read now (each heartbeat does: a lost notification costs one heartbeat, not the command)."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b".")

    async def close(self, limit_s: float = 3.0) -> None:
        self._ending = True
        self.poll()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, limit_s)

    # -- the thread

    def _run(self) -> None:
        while not self._ending:
            pause_s = self.poll_s
            try:
                if self._conn is None or self._conn.closed:
                    self._conn = self._listen()
                self._read(self._conn)
                self._backoff.reset()
            except (DatabaseError, psycopg2.Error) as error:
                pause_s = self._backoff.next_s()
                log.warning("control cannot be read: %s", str(error).strip())
                self._forget()
            except Exception:
                # A thread that dies would leave the last suspension standing for ever, and no command would be heard.
                pause_s = self._backoff.next_s()
                log.critical("control failed; what cannot be read counts as suspended", exc_info=True)
                self._forget()
            self._wait(pause_s)
        self._disconnect()
        for fd in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _listen(self) -> Connection:
        conn = self._open()
        with conn.cursor() as cursor:
            for channel in CHANNELS:
                cursor.execute(f"LISTEN {channel}")
        orphans = control_rows.fail_orphans(conn, self._epoch)
        if orphans:
            log.warning("commands %s were under way when an earlier engine ended: failed", orphans)
        return conn

    def _wait(self, pause_s: float) -> None:
        """Until a notification, a call of `poll`, or the pause has passed."""
        conn = self._conn
        watched: list[Any] = [self._wake_read]
        if conn is not None and not conn.closed:
            if conn.notifies:
                conn.notifies.clear()
                return
            watched.append(conn)
        readable, _, _ = select.select(watched, [], [], pause_s)
        if self._wake_read in readable:
            os.read(self._wake_read, 4096)
        if conn is not None and conn in readable:
            with contextlib.suppress(psycopg2.Error):
                conn.poll()
                conn.notifies.clear()

    def _read(self, conn: Connection) -> None:
        status = run_status(conn)
        interval = status.heartbeat_interval_sec if status else None
        suspended = status.suspended if status else None
        self._tell(self._on_run_status, RunStatus(suspended, float(interval) if interval else None))
        for expired in control_rows.expire(conn):
            log.warning("command %d (%s) was %.0f s old: expired", expired.id, expired.command, expired.age_s)
        waiting = control_rows.pending(conn)
        self._handed &= {row.id for row in waiting}
        for row in waiting:
            if row.id not in self._handed:
                self._take(conn, row)

    def _take(self, conn: Connection, row: control_rows.ControlRow) -> None:
        try:
            command = parse_command(row.command)
            arguments = parse_args(command, row.args).model_dump(mode="json")
        except CommandError as error:
            log.warning("command %d refused: %s", row.id, error)
            control_rows.refuse(conn, row.id, str(error))
            return
        log.info("command %d: %s %s", row.id, command, arguments or "")
        self._handed.add(row.id)
        self._tell(self._on_command, row.id, command, arguments)

    def _forget(self) -> None:
        self._disconnect()
        self._tell(self._on_run_status, RunStatus(None, None))

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with contextlib.suppress(psycopg2.Error):
                conn.close()

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(callback, *args)
