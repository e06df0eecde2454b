"""The TCP server: takes sockets in, hands requests to the world and the world's events to the sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from typing import Any

from bifrost_simulator.api import BrokerError, Journal, World
from bifrost_simulator.api.wire import Passage
from bifrost_simulator.wire.control import Control
from bifrost_simulator.wire.handlers import HANDLERS, Call
from bifrost_simulator.wire.layout import NEWEST_VERSION, OLDEST_VERSION, Values
from bifrost_simulator.wire.roster import Roster
from bifrost_simulator.wire.session import CLOSE_GRACE_S, Session, SessionLimits
from bifrost_simulator.wire.times import connection_text

log = logging.getLogger(__name__)

CLIENT_ID_IN_USE = 326
VALIDATION = 321


class PortInUseError(OSError):
    """The gateway's port is held by another process; the text says which."""


class Gateway:
    """An IB Gateway on one port.

    Parameters
    ----------
    world : World
        The broker and market behind it.
    host, port : str, int
        Address to listen on; port 0 takes a free one, see `port`.
    limits : SessionLimits, optional
        Version cap, pacing and buffer bounds of each session.

    Notes
    -----
    Everything runs on the loop that calls `start`; the world must be driven from the same loop.
    """

    def __init__(
        self, world: World, host: str = "127.0.0.1", port: int = 4002, limits: SessionLimits | None = None
    ) -> None:
        self.limits = limits or SessionLimits()
        if not OLDEST_VERSION <= self.limits.version_cap <= NEWEST_VERSION:
            raise ValueError(
                f"server version cap {self.limits.version_cap} must lie between {OLDEST_VERSION} and {NEWEST_VERSION}"
            )
        self._world = world
        self._host = host
        self._port = port
        self._roster = Roster(world.pnl, world.pnl_single, lambda: world.tap.is_armed)
        self._sockets: set[Session] = set()
        self._server: asyncio.Server | None = None
        world.add_listener(self._roster)
        self._control = Control(self)
        world.tap.attach(self._control)

    # -- life

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        PortInUseError
            When the port is taken.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Session(self), self._host, self._port)
            self._port = self.port
        except OSError as error:
            raise PortInUseError(
                f"the simulated gateway cannot listen on {self._host}:{self._port} "
                f"({os.strerror(error.errno) if error.errno else error}); set SIM_PORT to a free port"
            ) from error
        log.info("simulated gateway listens on %s:%s", self._host, self.port)

    async def stop(self) -> None:
        """Close every session and the port."""
        self._control.stop()
        server = self.close_port()
        for session in tuple(self._sockets):
            session.close("the gateway shuts down")
        if server is None:
            return
        with contextlib.suppress(TimeoutError):
            # Python 3.12 waits for every connection here; a peer that does not read must not hold the shutdown.
            async with asyncio.timeout(CLOSE_GRACE_S + 0.5):
                await server.wait_closed()

    def close_port(self) -> asyncio.Server | None:
        """Stop listening; the sessions there are stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        return server

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None or not self._server.sockets:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Ids of the clients that finished the handshake, ascending."""
        return self._roster.client_ids

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every open socket, also those still shaking hands."""
        return tuple(self._sockets)

    # -- what sessions need (SessionOwner)

    @property
    def journal(self) -> Journal:
        return self._world.journal

    @property
    def is_silent(self) -> bool:
        return self._world.tap.is_silent

    def passage(self, session: Session, name: str, values: Mapping[str, Any]) -> Passage:
        """What becomes of a message to ``session``."""
        tap = self._world.tap
        if not tap.is_armed or session.client_id is None:
            return Passage.PASS
        return tap.outgoing(session.client_id, name, values)

    def connection_text(self) -> str:
        return connection_text(self._world.now())

    def opened(self, session: Session) -> None:
        self._sockets.add(session)

    def closed(self, session: Session) -> None:
        self._sockets.discard(session)
        if self._roster.remove(session) and session.client_id is not None:
            self._world.client_disconnected(session.client_id)
        log.info("client %s disconnected: %s", session.client_id, session.close_reason)

    def start_api(self, session: Session, client_id: int) -> None:
        """Let a client in, or send 326 and close: two sockets must never share an id."""
        try:
            if client_id < 0:
                raise BrokerError(VALIDATION, f"Error validating request.-'clientId' : {client_id} is below 0")
            if client_id in self._roster:
                raise BrokerError(
                    CLIENT_ID_IN_USE,
                    "Unable to connect as the client id is already in use. Retry with a unique client id.",
                )
            self._world.client_connected(client_id)
        except BrokerError as error:
            session.send_error(-1, error)
            session.close(f"refused with {error}")
            return
        session.admit(client_id)
        self._roster.add(client_id, session)
        log.info("client %s connected at server version %s", client_id, session.version)
        session.send("managedAccounts", {"accounts": ",".join(self._world.accounts())})
        session.send("nextValidId", {"orderId": self._world.next_order_id(client_id)})
        for notice in self._world.notices():
            session.send_error(-1, notice)

    def request(self, session: Session, name: str, values: Values) -> None:
        """Answer one request; whatever goes wrong reaches the client as an error frame, never as a lost session."""
        call = Call(session, values, self._world, self._roster)
        req_id: int = next((values[key] for key in ("reqId", "orderId") if key in values), -1)
        try:
            passage = self._world.tap.incoming(call.client_id, name, values)
            if passage is Passage.CUT_BEFORE:
                session.cut(f"the connection was cut before {name}")
            if passage in (Passage.CUT_BEFORE, Passage.LOSE):
                return
            HANDLERS[name](call)
            if passage is Passage.CUT_AFTER:
                session.cut(f"the connection was cut after {name}")
        except BrokerError as error:
            session.send_error(req_id, error)
        except Exception as error:
            log.exception("%s of client %s failed inside the simulator", name, session.client_id)
            session.send_error(
                req_id, BrokerError(VALIDATION, f"Error processing request. {name}: {type(error).__name__}: {error}")
            )
