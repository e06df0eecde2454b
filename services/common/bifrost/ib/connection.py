"""One connection to TWS or IB Gateway: connecting, why it failed, when it ended, and how long it has been silent.

Everything runs on one asyncio loop; nothing here is called from another thread. Orders are not its business: the
engine's own adapter uses `IbConnection.ib` for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from .errors import FARM_BROKEN, FARM_OK, IbCode, IbError, is_connectivity
from .failures import ConnectFailure, IbConnectError, IbNotConnected, IbRequestError, IbRequestTimeout
from .hooks import Hook
from .library import RequestError
from .pacing import RequestPacer
from .session import SessionListener, build_ib
from .ticks import LineState

_log = logging.getLogger(__name__)
_LARGEST_FIRST_FRAME = 65_536
PROBE_SILENCE_S = 0.25


class IbConnection:
    """Connects, watches and ends one client id's session. A new library ``IB`` object for every connection.

    Parameters
    ----------
    client_id : int
        Fixed for this service; 326 never makes it take another.
    connect_timeout_s : float
        Limit for TCP, handshake and log-on together.
    request_timeout_s : float
        Limit of each request made through `request`.
    readonly : bool
        True asks for nothing about accounts and orders at the start (pricer, copilot).
    probe_silence_s : float or None
        After this much silence the gateway's time is asked for (engine.md, "Freshness"); None switches it off.
    dead_after_s : float
        After this much silence, probes included, the connection is given up.
    messages_per_second : int
        Budget of data requests; orders do not count and never wait.
    """

    def __init__(
        self,
        client_id: int,
        *,
        connect_timeout_s: float = 15.0,
        request_timeout_s: float = 10.0,
        readonly: bool = False,
        probe_silence_s: float | None = PROBE_SILENCE_S,
        dead_after_s: float = 30.0,
        messages_per_second: int = 30,
        ib_factory: Callable[[SessionListener], Any] = build_ib,
    ) -> None:
        self.client_id = client_id
        self.connect_timeout_s = connect_timeout_s
        self.request_timeout_s = request_timeout_s
        self.readonly = readonly
        self.probe_silence_s = probe_silence_s
        self.dead_after_s = dead_after_s
        self.pacer = RequestPacer(messages_per_second)
        self._ib_factory = ib_factory

        self.on_connected: Hook[[]] = Hook("on_connected")
        self.on_disconnected: Hook[[str]] = Hook("on_disconnected")
        self.on_error: Hook[[IbError]] = Hook("on_error")
        self.on_message_arrival: Hook[[float]] = Hook("on_message_arrival")
        self.on_lines_changed: Hook[[dict[int, LineState]]] = Hook("on_lines_changed")
        self.on_line_type: Hook[[int]] = Hook("on_line_type")

        self.host, self.port = "", 0
        self.accounts: tuple[str, ...] = ()
        self.connected_since: datetime | None = None
        self.server_version = 0
        self.broker_link_up = True
        self.broken_farms: dict[str, IbError] = {}
        self.gateway_time_s: int | None = None
        self.last_error: IbError | None = None
        self._ib: Any = None
        self._ready = False
        self._last_arrival = time.monotonic()
        self._last_probe = 0.0
        self._end_reason = ""
        self._handshake_failure: asyncio.Future[IbConnectError] | None = None
        self._watcher: asyncio.Task[None] | None = None

    # -- state

    @property
    def ib(self) -> Any:
        """The library's ``IB`` object of the present connection; hook its events in `on_connected`, each time."""
        if self._ib is None or not self._ready:
            raise IbNotConnected("not connected to TWS or IB Gateway")
        return self._ib

    @property
    def is_connected(self) -> bool:
        return self._ready

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def last_arrival(self) -> float:
        """Monotonic seconds at which the last bytes of anything came from the gateway."""
        return self._last_arrival

    def silence_s(self) -> float:
        """Seconds of wall time since anything came."""
        return time.monotonic() - self._last_arrival

    # -- connecting

    async def connect(self, host: str, port: int) -> tuple[str, ...]:
        """Connect and log on; returns the managed accounts.

        Raises
        ------
        IbConnectError
            With `failure` saying which way it failed: refused, unreachable, timeout, client id in use, wrong peer,
            closed, version.
        """
        if self._ready:
            raise RuntimeError(f"already connected to {self.address}")
        self.host, self.port = host, port
        self._end_reason = ""
        loop = asyncio.get_running_loop()
        self._handshake_failure = loop.create_future()
        self._ib = ib = self._ib_factory(self)
        ib.wrapper.clientId = self.client_id
        ib.client.conn.disconnected += self._on_socket_closed
        ib.client.conn.hasData += self._on_first_bytes
        handshake = asyncio.ensure_future(ib.client.connectAsync(host, port, self.client_id, 0))
        try:
            await asyncio.wait(
                {handshake, self._handshake_failure},
                timeout=self.connect_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._judge_handshake(handshake)
        except BaseException:
            await self._abandon(handshake)
            raise
        finally:
            self._handshake_failure = None
            ib.client.conn.hasData -= self._on_first_bytes
        self._logged_on()
        return self.accounts

    def _judge_handshake(self, handshake: asyncio.Future[None]) -> None:
        """Return when the log-on is complete, else raise what kept it."""
        ib, where, failed = self._ib, f"{self.host}:{self.port}", self._handshake_failure
        if failed is not None and failed.done():
            raise failed.result()
        if not handshake.done():
            if ib.client.serverVersion():
                text = f"{where} answered but did not complete the log-on within {self.connect_timeout_s:g} s"
            elif ib.client.conn.isConnected():
                text = f"{where} accepted the connection but said nothing within {self.connect_timeout_s:g} s"
            else:
                text = f"no answer from {where} within {self.connect_timeout_s:g} s"
            raise IbConnectError(ConnectFailure.TIMEOUT, text)
        error = handshake.exception()
        if error is None:
            return
        if isinstance(error, ConnectionRefusedError):
            raise IbConnectError(
                ConnectFailure.REFUSED, f"{where} refused the connection: is TWS or IB Gateway running with its API on?"
            ) from error
        if isinstance(error, OSError):
            raise IbConnectError(ConnectFailure.UNREACHABLE, f"{where} cannot be reached: {error}") from error
        raise IbConnectError(ConnectFailure.WRONG_PEER, f"{where}: log-on failed: {error!r}") from error

    async def _abandon(self, handshake: asyncio.Future[None]) -> None:
        handshake.cancel()
        with suppress(BaseException):
            await handshake
        self._close_socket()

    def _on_first_bytes(self, data: bytes) -> None:
        """A frame begins with its length; what starts with text is no gateway, and the library would wait for ever."""
        if self._ib.client.serverVersion() or int.from_bytes(data[:4], "big") <= _LARGEST_FIRST_FRAME:
            return
        text = f"{self.host}:{self.port} does not speak the TWS API (first bytes {data[:12]!r})"
        self._fail_handshake(ConnectFailure.WRONG_PEER, text)

    def _on_socket_closed(self, message: str) -> None:
        if self._handshake_failure is None:
            return
        version = self._ib.client.serverVersion()
        self._fail_handshake(
            ConnectFailure.CLOSED,
            f"{self.host}:{self.port} closed the connection during the "
            + ("log-on" if version else "handshake: is this TWS or IB Gateway, and is this host trusted there?")
            + (f" ({message})" if message else ""),
        )

    def _fail_handshake(self, failure: ConnectFailure, text: str) -> None:
        if self._handshake_failure is not None and not self._handshake_failure.done():
            self._handshake_failure.set_result(IbConnectError(failure, text))

    def _logged_on(self) -> None:
        ib = self._ib
        self.accounts = tuple(ib.client.getAccounts())
        self.server_version = int(ib.client.serverVersion())
        self.connected_since = datetime.now(UTC)
        self.broker_link_up, self.last_error = True, None
        self._ready = True
        ib.client.apiError += self._on_api_error
        ib.client.apiEnd += self._on_api_end
        if not self.readonly:
            # The streams behind positionEvent, updatePortfolioEvent and accountValueEvent. What must be complete is
            # asked for with a limit of its own (accounts.fetch_accounts), so nothing waits here.
            ib.client.reqPositions()
            ib.client.reqAccountUpdates(True, self.accounts[0])
        self._watcher = asyncio.ensure_future(self._watch())
        _log.info(
            "connected to %s as client %d, server version %d, accounts %s",
            self.address,
            self.client_id,
            self.server_version,
            ", ".join(self.accounts),
        )
        ib.connectedEvent.emit()
        self.on_connected.emit()

    # -- ending

    def disconnect(self, reason: str = "closed by this service") -> None:
        """End the session at once; `on_disconnected` is told when there was one."""
        if self._ib is None:
            return
        ib, was_ready = self._ib, self._ready
        self._close_socket()
        if was_ready:
            # The library fails its open requests only when the other side closes.
            ib.wrapper.connectionClosed()
            self._ended(reason)

    def _close_socket(self) -> None:
        if self._ib is not None:
            with suppress(OSError, RuntimeError):
                self._ib.client.disconnect()

    def _on_api_error(self, message: str) -> None:
        self._end_reason = self._end_reason or message

    def _on_api_end(self) -> None:
        if self._ready:
            self._ended(self._end_reason or "the gateway closed the connection")

    def _ended(self, reason: str) -> None:
        self._ready = False
        self.connected_since = None
        self.broken_farms.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        _log.warning("connection to %s ended: %s", self.address, reason)
        self.on_disconnected.emit(reason)

    # -- silence

    def request_time_probe(self) -> None:
        """Ask the gateway's time (reqCurrentTime); any answer is an arrival."""
        self._last_probe = time.monotonic()
        self.ib.client.reqCurrentTime()

    async def _watch(self) -> None:
        """Probe a silent gateway and give up a dead one."""
        step = self.probe_silence_s or 1.0
        while self._ready:
            await asyncio.sleep(max(0.02, step - self.silence_s()))
            silent = self.silence_s()
            if silent >= self.dead_after_s:
                self.disconnect(f"nothing came for {silent:.0f} s, although asked")
            elif self.probe_silence_s and silent >= step and time.monotonic() - self._last_probe >= step:
                self.request_time_probe()

    # -- requests

    async def request(self, what: str, start: Callable[[int], None], timeout_s: float | None = None) -> list[Any]:
        """Send one request keyed by a request id and wait for its end.

        Parameters
        ----------
        what : str
            Named in errors: ``positions of DU1234567``.
        start : callable
            Sends the request with the given request id.
        timeout_s : float, optional
            Default: `request_timeout_s`.

        Returns
        -------
        list
            What the library collected under the id, or the rows kept by the session wrapper.

        Raises
        ------
        IbNotConnected, IbRequestError, IbRequestTimeout
        """
        limit_s = self.request_timeout_s if timeout_s is None else timeout_s
        await self.pacer.take()
        ib = self.ib
        req_id = ib.client.getReqId()
        rows: list[Any] = []
        ib.wrapper.rows[req_id] = rows
        future = ib.wrapper.startReq(req_id)
        try:
            start(req_id)
            async with asyncio.timeout(limit_s):
                result = await future
        except TimeoutError:
            raise IbRequestTimeout(f"{what}: no complete answer from {self.address} within {limit_s:g} s") from None
        except RequestError as error:
            raise IbRequestError(what, int(error.code), str(error.message)) from None
        except ConnectionError:
            raise IbNotConnected(f"{what}: the connection to {self.address} ended") from None
        finally:
            ib.wrapper.rows.pop(req_id, None)
        return rows or list(result)

    # -- what the session says (SessionListener)

    def session_bytes(self, monotonic: float) -> None:
        self._last_arrival = monotonic
        self.on_message_arrival.emit(monotonic)

    def session_time(self, epoch_s: int) -> None:
        self.gateway_time_s = epoch_s

    def session_chunk_end(self, touched: dict[int, LineState]) -> None:
        self.on_lines_changed.emit(touched)

    def session_type_changed(self, req_id: int) -> None:
        self.on_line_type.emit(req_id)

    def session_error(self, error: IbError) -> None:
        code = error.code
        if code == IbCode.CLIENT_ID_IN_USE:
            self._fail_handshake(
                ConnectFailure.CLIENT_ID_IN_USE,
                f"client id {self.client_id} is in use at {self.host}:{self.port}: another program holds it",
            )
        if code in FARM_BROKEN:
            self.broken_farms[_farm(error.text)] = error
        elif code in FARM_OK:
            self.broken_farms.pop(_farm(error.text), None)
        elif is_connectivity(code):
            self.broker_link_up = code not in (IbCode.CONNECTIVITY_LOST, IbCode.SERVER_LINK_BROKEN)
        self.last_error = error
        self.on_error.emit(error)
        if code == IbCode.SOCKET_PORT_RESET and self._ready:
            # 1300: the gateway has moved; waiting for its close would only cost time.
            asyncio.get_running_loop().call_soon(self.disconnect, str(error))


def _farm(text: str) -> str:
    """``usfarm`` of ``Market data farm connection is broken:usfarm``."""
    return text.rpartition(":")[2].strip() or text
