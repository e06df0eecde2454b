"""supervisord over the desk's processes: restarts what fails, leaves alone what ended well, stops in order."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

_PR_SET_PDEATHSIG = 1
#: What supervisord itself needs of our environment; each program brings its own.
_KEPT = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")
_STOPPED = frozenset({"STOPPED", "EXITED", "FATAL", "BACKOFF"})


class SupervisionError(Exception):
    """supervisord did not do what was asked; the message says what."""


def program(
    name: str,
    command: list[str],
    env: Mapping[str, str],
    *,
    order: int,
    log: Path,
    autostart: bool,
    user: str = "",
    stop_signal: str = "TERM",
    stop_wait_s: int = 15,
) -> str:
    """One ``[program:...]`` section. A process that exits 0 has ended well and stays down."""
    variables = ",".join(f'{key}="{_quoted(value)}"' for key, value in sorted(env.items()))
    lines = [
        f"[program:{name}]",
        f"command={_percent(shlex.join(command))}",
        f"environment={variables}",
        f"priority={order}",
        f"autostart={'true' if autostart else 'false'}",
        "autorestart=unexpected",
        "exitcodes=0",
        "startsecs=1",
        "startretries=1000000",
        f"stopsignal={stop_signal}",
        f"stopwaitsecs={stop_wait_s}",
        "redirect_stderr=true",
        f"stdout_logfile={_percent(str(log))}",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=3",
    ]
    if user:
        lines += [f"user={user}", "directory=/"]
    return "\n".join(lines) + "\n"


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    return _percent(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " "))


class Supervisor:
    """One supervisord, spoken to over a socket in a private folder. Dies with the launcher on Linux."""

    def __init__(self, home: Path, sections: list[str]) -> None:
        self.home = home
        # The path of a Unix socket is limited to about 100 characters: the home may lie deeper than that.
        self._folder = Path(tempfile.mkdtemp(prefix="bifrost-desk-"))
        self._socket = self._folder / "supervisor.sock"
        self._config = self._folder / "supervisord.conf"
        self._config.touch(0o600)
        self._config.write_text(self._head() + "\n".join(sections), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def _head(self) -> str:
        return (
            "[supervisord]\nnodaemon=true\nsilent=true\n"
            f"logfile={_percent(str(self.home / 'logs' / 'supervisord.log'))}\n"
            f"logfile_maxbytes=1MB\npidfile={self._folder / 'supervisord.pid'}\nchildlogdir={self._folder}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[unix_http_server]\nfile={self._socket}\nchmod=0700\n"
        )

    @property
    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def start(self, limit_s: float = 15.0) -> None:
        """Start supervisord and wait until it answers."""
        command = [sys.executable, "-c", "from supervisor.supervisord import main; main()", "-c", str(self._config)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C must reach the launcher alone: it stops the processes in their order.
            start_new_session=True,
            preexec_fn=_end_with_launcher(),  # noqa: PLW1509  (one prctl, no locks)
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                output = self._process.stdout.read().decode(errors="replace") if self._process.stdout else ""
                raise SupervisionError(f"supervisord ended at once: {output.strip().splitlines()[-1:] or 'no message'}")
            with contextlib.suppress(OSError, xmlrpc.client.Error):
                self._rpc.getState()
                return
            time.sleep(0.05)
        raise SupervisionError(f"supervisord did not answer within {limit_s:g} s")

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start_program(self, name: str) -> None:
        """Start one program without waiting for it to stay up: restarts are supervisord's business."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc.startProcess(name, False)

    def states(self) -> dict[str, Mapping[str, Any]]:
        """Program name to supervisord's information on it; empty when supervisord is gone."""
        try:
            return {info["name"]: info for info in self._rpc.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error):
            return {}

    def stop(self, limit_s: float = 60.0) -> bool:
        """Stop every program, the last started first, then supervisord. Returns whether all ended in time."""
        if self._process is None:
            return True
        if self.alive:
            with contextlib.suppress(OSError, xmlrpc.client.Error):
                order = sorted(self._rpc.getAllConfigInfo(), key=lambda info: -int(info["process_prio"]))
                for info in order:
                    with contextlib.suppress(xmlrpc.client.Fault):
                        self._rpc.stopProcess(info["name"], True)
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        finally:
            self._clean()
        return True

    def _clean(self) -> None:
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)
        self._folder.rmdir()


def settled(states: Mapping[str, Mapping[str, Any]], names: list[str]) -> bool:
    """Whether every one of ``names`` is down."""
    return all(states.get(name, {}).get("statename", "STOPPED") in _STOPPED for name in names)


def _end_with_launcher() -> Callable[[], None] | None:
    """On Linux the kernel tells supervisord when the launcher dies, so a killed launcher leaves nothing behind."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel
