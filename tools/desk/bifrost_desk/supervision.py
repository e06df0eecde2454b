"""supervisord over the desk's processes: restarts what fails, leaves alone what ended well, stops in order."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from .terminal import die_with_parent


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
    """One ``[program:...]`` section. A process that exits 0 has ended well and stays down.

    ``env`` is added to the environment by env(1): supervisord's own ``environment=`` knows no way to write a quote.
    """
    variables = [f"{key}={value}" for key, value in sorted(env.items())]
    words = [*_leash(stop_signal), *(["env", *variables] if variables else []), *command]
    lines = [
        f"[program:{name}]",
        f"command={_percent(shlex.join(words))}",
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


def _leash(stop_signal: str) -> list[str]:
    """A prefix by which a process is asked to end when its supervisord dies, where the system has one."""
    return ["setpriv", "--pdeathsig", stop_signal] if _has_setpriv() else []


@functools.cache
def _has_setpriv() -> bool:
    if not sys.platform.startswith("linux") or shutil.which("setpriv") is None:
        return False
    return subprocess.run(["setpriv", "--pdeathsig", "TERM", "true"], capture_output=True, check=False).returncode == 0


def _percent(text: str) -> str:
    return text.replace("%", "%%")


class Supervisor:
    """One supervisord, spoken to over a socket in a private folder.

    It dies with the launcher on Linux, and its programs with it, so a killed launcher leaves nothing behind.

    Parameters
    ----------
    logs : Path
        Where its own log goes.
    env : Mapping[str, str]
        Environment of every program; each section adds to it.
    sections : list of str
        What :func:`program` wrote.
    """

    def __init__(self, logs: Path, env: Mapping[str, str], sections: list[str]) -> None:
        self._env = dict(env)
        # The path of a Unix socket is limited to about 100 characters: the home may lie deeper than that.
        self._folder = Path(tempfile.mkdtemp(prefix="bifrost-desk-"))
        self._socket = self._folder / "supervisor.sock"
        self._config = self._folder / "supervisord.conf"
        self._config.touch(0o600)
        self._config.write_text(self._head(logs) + "\n".join(sections), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._programs: dict[str, psutil.Process] = {}

    def _head(self, logs: Path) -> str:
        user = "user=root\n" if os.geteuid() == 0 else ""  # without it every start as root logs a warning
        return (
            f"[supervisord]\nnodaemon=true\nsilent=true\n{user}"
            f"logfile={_percent(str(logs / 'supervisord.log'))}\n"
            f"logfile_maxbytes=1MB\npidfile={self._folder / 'supervisord.pid'}\nchildlogdir={self._folder}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[unix_http_server]\nfile={self._socket}\nchmod=0700\n"
        )

    @property
    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def start(self, lock: int, limit_s: float = 15.0) -> None:
        """Start supervisord, which holds the descriptor ``lock`` as long as it lives, and wait until it answers."""
        command = [sys.executable, "-c", "from supervisor.supervisord import main; main()", "-c", str(self._config)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C must reach the launcher alone: it stops the processes in their order.
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509  (one prctl, no locks)
            pass_fds=(lock,),
            env=self._env,
        )
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                output = self._process.stdout.read().decode(errors="replace") if self._process.stdout else ""
                raise SupervisionError(f"supervisord ended at once: {output.strip() or 'no message'}")
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
        with contextlib.suppress(xmlrpc.client.Fault, OSError):
            self._rpc.startProcess(name, False)

    def states(self) -> dict[str, Mapping[str, Any]]:
        """Program name to supervisord's information on it; empty when supervisord is gone."""
        try:
            states = {info["name"]: info for info in self._rpc.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error):
            return {}
        for name, info in states.items():
            if info["pid"]:
                with contextlib.suppress(psutil.Error):
                    self._programs[name] = psutil.Process(info["pid"])
        return states

    def stop(self, limit_s: float = 60.0) -> bool:
        """Stop every program, the last started first, then supervisord. Returns whether all ended in time."""
        if self._process is None:
            self._clean()
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
        finally:
            self._clean()
        return self._end_orphans()

    def _end_orphans(self, limit_s: float = 20.0) -> bool:
        """End what outlived a supervisord that was killed; False when one had to be killed, too."""
        orphans = [process for process in self._programs.values() if process.is_running()]
        for process in orphans:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        _, stubborn = psutil.wait_procs(orphans, timeout=limit_s)
        for process in stubborn:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return not stubborn

    def _clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
