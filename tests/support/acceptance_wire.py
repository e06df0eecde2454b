"""The network beside a service: a relay that can be cut, or hold every answer from an exact point of the talk on.

A kill at an exact point needs no hook in the product: the product waits for an answer that does not come, and while it
waits it is killed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field

#: PostgreSQL's ReadyForQuery outside a transaction: what was asked for is committed.
POSTGRES_COMMITTED = b"Z\x00\x00\x00\x05I"


@dataclass
class Hold:
    """Answers stay in the relay once `said` was heard from the client.

    Parameters
    ----------
    said : bytes
        What the client says that begins it.
    answered : bytes
        The hold begins with the first answer that ends so; empty: with the next one.
    """

    said: bytes
    answered: bytes = b""
    heard: threading.Event = field(default_factory=threading.Event)
    """Set when the client has said it, before it is passed on."""
    holding: threading.Event = field(default_factory=threading.Event)
    """Set when an answer is held back."""
    words: bytes = b""
    """What the client sent when it said it."""


class _Talk:
    """One connection: two ends, and what is held of it."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near = near
        self.far = far
        self.tail = b""
        self.hold: Hold | None = None
        self.held = False

    def close(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class HoldingRelay:
    """``with HoldingRelay(target) as relay``: listens on ``relay.port``, leads to 127.0.0.1:``target``."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._talks: list[_Talk] = []
        self._hold: Hold | None = None
        self._cut = False
        self._ending = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> HoldingRelay:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending = True
        self.cut()
        self._thread.join(2.0)
        self._listener.close()

    def cut(self) -> None:
        """Break every connection; new ones are closed at once until `mend`."""
        with self._lock:
            self._cut = True
            talks, self._talks = self._talks, []
        for talk in talks:
            talk.close()

    def mend(self) -> None:
        """Let new connections through, with nothing held."""
        self._hold = None
        self._cut = False

    def hold(self, said: bytes, answered: bytes = b"") -> Hold:
        """Hold the answers of the connection on which ``said`` is heard next; ends with `mend`."""
        self._hold = Hold(said, answered)
        return self._hold

    def _accept(self) -> None:
        while not self._ending:
            try:
                readable, _, _ = select.select([self._listener], [], [], 0.2)
                if not readable:
                    continue
                near, _ = self._listener.accept()
            except (OSError, ValueError):
                return
            self._join(near)

    def _join(self, near: socket.socket) -> None:
        if self._cut:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        talk = _Talk(near, far)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._talks.append(talk)
        for work in (self._questions, self._answers):
            threading.Thread(target=work, args=(talk,), daemon=True).start()

    def _questions(self, talk: _Talk) -> None:
        with contextlib.suppress(OSError):
            while data := talk.near.recv(65536):
                self._listen(talk, data)
                talk.far.sendall(data)
        self._over(talk)

    def _listen(self, talk: _Talk, data: bytes) -> None:
        hold = self._hold
        if hold is None or hold.heard.is_set():
            talk.tail = b""
            return
        heard = talk.tail + data
        talk.tail = heard[-len(hold.said) :]
        if hold.said in heard:
            talk.hold, hold.words = hold, heard
            hold.heard.set()

    def _answers(self, talk: _Talk) -> None:
        with contextlib.suppress(OSError):
            while data := talk.far.recv(65536):
                hold = talk.hold
                if hold is not None and (talk.held or data.endswith(hold.answered)):
                    # Read on, so that the far side is not slowed down; the client hears no more.
                    talk.held = True
                    hold.holding.set()
                    continue
                talk.near.sendall(data)
        self._over(talk)

    def _over(self, talk: _Talk) -> None:
        talk.close()
        with self._lock, contextlib.suppress(ValueError):
            self._talks.remove(talk)
