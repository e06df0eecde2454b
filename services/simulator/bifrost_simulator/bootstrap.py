"""Wires the world to its gateway and its admin API, and drives it by the wall clock."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvicorn
from bifrost.config import Config, Scenario

from bifrost_simulator.admin import AdminContext, create_admin
from bifrost_simulator.build import build_world
from bifrost_simulator.state import StateStore
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.session import SessionLimits
from bifrost_simulator.world import SimulatedWorld

log = logging.getLogger(__name__)

STEP_WALL_S = 0.05
STATE_FOLDER = "simulator"


class StartError(RuntimeError):
    """The simulator cannot start; the message names the port and the variable, or the folder."""


class Simulator:
    """One running simulator: world, gateway, admin API.

    Parameters
    ----------
    home : Path or None
        Folder below which the state lives; None keeps nothing.
    """

    def __init__(
        self, config: Config, scenario: Scenario, home: Path | None, env: Mapping[str, str] | None = None
    ) -> None:
        self.config = config
        store = StateStore(home / STATE_FOLDER) if home is not None else None
        settings = config.simulator
        self.world: SimulatedWorld = build_world(scenario, store, lines=settings.market_data_lines, env=env)
        # Turning pacing off means all of it: a program under test that floods wants no other limit either.
        self.world.history.pacing.enabled = settings.messages_per_second > 0
        self.gateway = Gateway(
            self.world,
            settings.host,
            settings.port,
            SessionLimits(version_cap=settings.server_version_cap, messages_per_second=settings.messages_per_second),
        )
        context = AdminContext(self.world, scenario, lambda: self.gateway.client_ids)
        app = create_admin(context)
        self._admin = _AdminServer(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        )
        self._admin_task: asyncio.Task[None] | None = None
        self._drive_task: asyncio.Task[None] | None = None
        self.admin_port = settings.admin_port

    async def start(self) -> None:
        """Take both ports and begin to live.

        Raises
        ------
        StartError
            When a port is taken.
        """
        settings = self.config.simulator
        listener = _listen(settings.host, settings.admin_port)
        self.admin_port = int(listener.getsockname()[1])
        try:
            await self.gateway.start()
        except OSError as error:
            listener.close()
            raise StartError(str(error)) from None
        self.world.step(time.monotonic())
        self._admin_task = asyncio.create_task(self._admin.serve(sockets=[listener]), name="admin")
        self._drive_task = asyncio.create_task(self._drive(), name="world")
        log.info("admin API on http://%s:%s", settings.host, self.admin_port)

    async def run(self) -> None:
        """Live until SIGTERM or SIGINT, or until a part fails."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.start()
        assert self._drive_task is not None and self._admin_task is not None
        waiting = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({waiting, self._drive_task, self._admin_task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        failed = [task.exception() for task in done if task is not waiting and not task.cancelled()]
        await self.stop()
        for problem in failed:
            if problem is not None:
                raise problem

    async def stop(self) -> None:
        """Close the sockets and save; within a second or two."""
        if self._drive_task is not None:
            self._drive_task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._drive_task
        await self.gateway.stop()
        self._admin.should_exit = True
        if self._admin_task is not None:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._admin_task
        if self.world.saver is not None:
            self.world.saver.save_all()
        self.world.journal.close()
        log.info("simulator stopped at market time %s", self.world.now().isoformat(timespec="seconds"))

    async def _drive(self) -> None:
        next_save = time.monotonic() + self.config.simulator.state_save_s
        while True:
            now = time.monotonic()
            self.world.step(now)
            if now >= next_save:
                next_save = now + self.config.simulator.state_save_s
                if self.world.saver is not None:
                    self.world.saver.save_clock()
            await asyncio.sleep(max(0.001, STEP_WALL_S - (time.monotonic() - now)))


class _AdminServer(uvicorn.Server):
    """Leaves signals to the process: the world must be saved before it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = "it is in use" if error.errno == errno.EADDRINUSE else str(error)
        raise StartError(
            f"the simulator's admin API cannot listen on {host}:{port} ({reason}); set SIM_ADMIN_PORT to a free port"
        ) from None
    listener.setblocking(False)
    return listener
