"""`make run` as the operator has it: a terminal, a launcher in it, ports and a home of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from bifrost import paths
from bifrost.db.ephemeral import EphemeralPostgres

from tests.support.desk_checks import DeskView
from tests.support.waiting import free_port, wait_until

#: Nothing else of the tester's environment reaches the desk.
_KEPT = ("PATH", "HOME", "LANG", "TERM", "SSL_CERT_FILE")


def desk_environment(home: Path, **variables: str) -> dict[str, str]:
    """A home and free ports."""
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    ports = ("MONITOR_PORT", "SIM_PORT", "SIM_ADMIN_PORT", "BIFROST_PG_PORT", "BIFROST_PRICER__METRICS_PORT")
    return env | {name: str(free_port()) for name in ports} | {"BIFROST_HOME": str(home)} | variables


def desk_command(*words: str) -> list[str]:
    """The launcher with the tests' own interpreter: what `make` calls once its environment is there."""
    return [sys.executable, "-m", "bifrost_desk", *words]


def fresh_checkout(folder: Path) -> Path:
    """What a newcomer clones: every file of this tree that git does not ignore, and nothing that was made here."""
    root = paths.repository_root()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


def run_desk(
    env: dict[str, str], *words: str, timeout_s: float = 60.0, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """One launcher command that ends by itself."""
    return subprocess.run(
        desk_command(*words), env=env, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )


class DeskProcess:
    """One `run` in a pseudo-terminal. ``with DeskProcess(home) as desk`` leaves nothing behind, whatever the test did.

    Parameters
    ----------
    home : Path
        ``BIFROST_HOME``.
    words : tuple of str
        Further words of the command.
    checkout : Path, optional
        A checkout in which ``make run`` is typed, instead of calling this one's launcher.
    variables : str
        Further environment variables.
    """

    def __init__(self, home: Path, *words: str, checkout: Path | None = None, **variables: str) -> None:
        self.home = home
        self.env = desk_environment(home, **variables)
        self.command = desk_command("run", *words) if checkout is None else ["make", "run", *words]
        self.folder = checkout or paths.repository_root()
        self.process: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self._output = bytearray()
        self._reader: threading.Thread | None = None

    # -- life

    def start(self) -> None:
        """Start it with a terminal of its own, as its session's leader."""
        self._terminal, child = pty.openpty()
        self._output.clear()
        program = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *self.command],
            stdin=child,
            stdout=child,
            stderr=child,
            env=self.env,
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(child)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the last process has closed the terminal
            while data := os.read(self._terminal, 65536):
                self._output += data

    def __enter__(self) -> DeskProcess:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.clean()

    def clean(self) -> None:
        """End everything that belongs to this desk."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1

    # -- what the operator sees and does

    @property
    def ports(self) -> dict[str, str]:
        """The variables of its ports, for another desk on the same home."""
        return {name: value for name, value in self.env.items() if name.endswith("PORT")}

    @property
    def output(self) -> str:
        """What the terminal shows."""
        return self._output.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, pattern: str, timeout_s: float = 90.0) -> re.Match[str]:
        """Wait until the terminal shows ``pattern``."""
        try:
            found = wait_until(lambda: re.search(pattern, self.output), timeout_s, what=repr(pattern), every_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; the terminal shows:\n{self.output}") from None
        assert found is not None
        return found

    def wait_until_up(self, timeout_s: float = 90.0) -> DeskView:
        """Wait for the address and the link; gives the view of this desk."""
        self.wait_for("Ctrl-C stops everything", timeout_s)
        return self.view()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def ctrl_c(self, timeout_s: float = 60.0) -> int:
        """Press Ctrl-C; gives the exit code."""
        self.type(b"\x03")
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait for the end; gives the exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the desk did not end within {timeout_s:g} s; the terminal shows:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    # -- what it consists of

    def view(self) -> DeskView:
        """Where to look at it."""
        secrets = self.home / "secrets"
        password = (secrets / "bifrost_owner").read_text(encoding="utf-8").strip()
        return DeskView(
            address=f"http://127.0.0.1:{self.env['MONITOR_PORT']}",
            admin=f"http://127.0.0.1:{self.env['SIM_ADMIN_PORT']}",
            dsn=f"host=127.0.0.1 port={self.env['BIFROST_PG_PORT']} dbname=options_db user=bifrost_owner "
            f"password={password}",
            token=(secrets / "token").read_text(encoding="utf-8").strip(),
        )

    def processes(self) -> list[psutil.Process]:
        """Every process of this desk, also one that lost its launcher: known by its home or its database."""
        mark = f"BIFROST_HOME={self.home}"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                environment = [f"{key}={value}" for key, value in process.environ().items()]
                cluster = f"port={self.env['BIFROST_PG_PORT']}"
                if mark in environment or cluster in process.cmdline():
                    found.append(process)
        return found

    def stored(self, statement: str) -> Any:
        """One value of the database of a desk that is down: its server is started for this question alone."""
        password = self.home / "secrets" / "bifrost_owner"
        server = EphemeralPostgres(self.home / "postgres", free_port(), password, stop_with_parent=True)
        with server, contextlib.closing(psycopg2.connect(server.dsn("options_db"))) as conn, conn.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
        return row[0] if row else None

    def service(self, name: str) -> psutil.Process:
        """The process of one service."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if {f"bifrost_{name}", "run"} <= set(process.cmdline()):
                    return process
        raise AssertionError(f"no process of {name} runs")

    def wait_until_nothing_runs(self, timeout_s: float = 30.0) -> None:
        """No process left."""
        wait_until(lambda: not self.processes(), timeout_s, what="the last process to end", every_s=0.2)
