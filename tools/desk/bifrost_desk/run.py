"""`make run`: bring the desk up, say where it is, wait for Ctrl-C, take it down in order."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import httpx
import psycopg2
from bifrost.db.ephemeral import EphemeralPostgres, PostgresStartError
from bifrost.db.errors import DatabaseError
from bifrost.db.schema import ensure_secret, refresh

from . import ports
from .plan import DATABASE, OWNER, DeskPlan, PlanError, service_command
from .supervision import SupervisionError, Supervisor, program

#: How long the page may take to answer on a slow machine's first start.
READY_S = 90.0


class AlreadyRunning(PlanError):
    """Another launcher holds this home."""


def say(text: str) -> None:
    """One line to the terminal, at once."""
    print(text, flush=True)


@contextlib.contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Only one desk at a time on one home: two would share a database and a simulated account."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "desk.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(f"a desk is running on {home} already{_pid_of(file)}: stop it first") from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def _pid_of(file: IO[str]) -> str:
    file.seek(0)
    pid = file.read().strip()
    return f" (pid {pid})" if pid else ""


def token_link(plan: DeskPlan) -> str:
    """The address that signs the browser in."""
    return f"{plan.address}/?token={token(plan)}"


def token(plan: DeskPlan) -> str:
    """The operator's token: given by the environment, else kept in the secrets."""
    given = plan.base_env.get("BIFROST_TOKEN", "").strip()
    if given:
        return given
    named = plan.base_env.get("BIFROST_TOKEN_FILE", "").strip()
    if named:
        return Path(named).read_text(encoding="utf-8").strip()
    return ensure_secret(plan.secrets, "token")[0]


def run(plan: DeskPlan) -> int:
    """Run the desk until a signal. Returns the exit code: 0 when it came down as asked."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    with home_lock(plan.home), _own_foreground():
        ports.check_free(entry for entry in plan.ports.values() if _needed(plan, entry))
        _announce(plan)
        return _supervise(plan, stop)


def _needed(plan: DeskPlan, entry: ports.PortPlan) -> bool:
    return "simulator" not in plan.without or not entry.variable.startswith("SIM_")


def _announce(plan: DeskPlan) -> None:
    say(f"desk: scenario {plan.scenario.stem}, state in {plan.home}")
    if plan.ignored:
        say(f"desk: ignored from your environment: {', '.join(plan.ignored)}")


def _supervise(plan: DeskPlan, stop: threading.Event) -> int:
    token(plan)
    plan.logs.mkdir(parents=True, exist_ok=True)
    port = plan.ports["BIFROST_PG_PORT"].port
    settings = {"shared_buffers": "64MB"}
    server = EphemeralPostgres(plan.home / "postgres", port, plan.secrets / OWNER, settings=settings)
    for note in server.notes:
        say(f"desk: {note}")
    if server.initialise():
        say("desk: made a new database")
    supervisor = Supervisor(plan.home, _sections(plan, server))
    try:
        supervisor.start()
        _prepare_database(plan, server, supervisor, stop)
        for service in plan.services:
            supervisor.start_program(service.name)
        if _wait_for_page(plan, supervisor, stop):
            say(f"desk: the page is at {plan.address}")
            say(f"desk: sign in with {token_link(plan)}")
            say("desk: Ctrl-C stops everything")
        return _watch(plan, supervisor, stop)
    finally:
        say("desk: stopping")
        in_time = supervisor.stop()
        say("desk: stopped" if in_time else "desk: some process had to be killed")


def _sections(plan: DeskPlan, server: EphemeralPostgres) -> list[str]:
    user = server.system_user.name if server.system_user is not None else ""
    database = program(
        "postgres",
        server.server_argv(),
        {"LANG": "C"},
        order=10,
        log=plan.logs / "postgres.log",
        autostart=True,
        user=user,
        stop_signal="INT",
        stop_wait_s=30,
    )
    others = [
        program(
            service.name,
            service_command(service, plan),
            plan.env_of(service),
            order=service.order,
            log=plan.logs / f"{service.name}.out",
            autostart=False,
        )
        for service in plan.services
    ]
    return [database, *others]


def _prepare_database(
    plan: DeskPlan, server: EphemeralPostgres, supervisor: Supervisor, stop: threading.Event, limit_s: float = 60.0
) -> None:
    """Wait for the server, then bring schema and passwords up to date (`bifrost db refresh`)."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            _ensure_database(server)
            connection = psycopg2.connect(server.dsn(DATABASE, OWNER), connect_timeout=3)
            connection.autocommit = True
            break
        except psycopg2.OperationalError as error:
            if stop.is_set():
                raise SupervisionError("interrupted while the database was starting") from None
            if time.monotonic() > deadline or not supervisor.alive:
                log = plan.logs / "postgres.log"
                raise SupervisionError(f"PostgreSQL did not come up: {error}; see {log}") from None
            time.sleep(0.1)
    try:
        report = refresh(connection, plan.secrets)
    finally:
        connection.close()
    for line in report.lines():
        say(f"desk: database: {line}")


def _ensure_database(server: EphemeralPostgres) -> None:
    connection = psycopg2.connect(server.dsn("postgres", OWNER), connect_timeout=3)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        connection.close()


def _wait_for_page(plan: DeskPlan, supervisor: Supervisor, stop: threading.Event) -> bool:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and supervisor.alive and not stop.is_set():
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{plan.address}/livez", timeout=2.0, trust_env=False).status_code == 200:
                return True
        stop.wait(0.2)
    if not stop.is_set():
        say(f"desk: the page does not answer yet; see make logs S=monitor and {plan.logs / 'monitor.out'}")
    return False


def _watch(plan: DeskPlan, supervisor: Supervisor, stop: threading.Event) -> int:
    """Tell of processes that end and come back, until asked to stop."""
    seen: dict[str, tuple[str, int]] = {}
    while not stop.wait(1.0):
        if not supervisor.alive:
            say(f"desk: supervisord ended; see {plan.logs / 'supervisord.log'}")
            return 1
        for name, info in supervisor.states().items():
            now = (str(info["statename"]), int(info["pid"]))
            before = seen.get(name, now)
            if now != before:
                say(f"desk: {_sentence(name, info, before)}")
            seen[name] = now
    return 0


def _sentence(name: str, info: object, before: tuple[str, int]) -> str:
    details = dict(info) if isinstance(info, dict) else {}
    state, pid = str(details.get("statename")), int(details.get("pid", 0))
    if state == "EXITED" and details.get("exitstatus") == 0:
        return f"{name} ended well and stays down; `make run` starts it again"
    if state == "RUNNING" and pid != before[1] and before[1]:
        return f"{name} was restarted (pid {before[1]} is gone, pid {pid} runs)"
    return f"{name} is {state.lower()}"


@contextlib.contextmanager
def _own_foreground() -> Iterator[None]:
    """Take the terminal's foreground, so that Ctrl-C reaches the launcher and not `make` above it, which would
    report an interrupt although everything came down well."""
    try:
        terminal = sys.stdin.fileno()
        former = os.tcgetpgrp(terminal)
    except (OSError, ValueError):
        yield
        return
    if former != os.getpgrp() or os.getpgrp() == os.getpid():
        yield
        return
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(terminal, former)
        signal.signal(signal.SIGTTOU, ignored)


def guarded(plan: DeskPlan) -> int:
    """`run` with every expected failure as one line."""
    try:
        return run(plan)
    except (PlanError, ports.PortError, SupervisionError, DatabaseError, PostgresStartError) as error:
        print(f"desk: {error}", file=sys.stderr)
        return 1
    except psycopg2.Error as error:
        print(f"desk: the database refused: {str(error).strip()}", file=sys.stderr)
        return 1
