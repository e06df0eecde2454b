"""``bifrost check``: is everything there that a desk needs? Configuration, sink, schema, IB connection, signal stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bifrost.config import ConfigError, LoadedConfig, SinkKind, load_config

_SPARE_CLIENT_ID = 900
_SIGNAL_START_S, _SIGNAL_STOP_S = 30.0, 20.0


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result."""

    name: str
    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.verdict:<4} {self.name:<14} {self.text}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checks to make, and on what."""

    config_file: Path | None = None
    scenario: Path | None = None
    skip_ib: bool = False
    skip_db: bool = False
    signal_test: bool = False


def run_checks(wanted: Wanted, report: Callable[[Finding], None]) -> bool:
    """Make the checks one after the other, report each, and return whether none failed."""
    good = True
    for finding in _checks(wanted):
        report(finding)
        good = good and finding.verdict is not Verdict.FAILED
    return good


def _checks(wanted: Wanted) -> Iterable[Finding]:
    try:
        loaded = load_config(wanted.config_file, scenario=wanted.scenario)
    except ConfigError as error:
        yield Finding("configuration", Verdict.FAILED, str(error))
        return
    yield Finding("configuration", Verdict.OK, f"{loaded.shown_file}, hash {loaded.hash}")
    yield from _database(loaded, wanted)
    yield _ib(loaded, wanted)
    yield _signal_stop(wanted)


def _database(loaded: LoadedConfig, wanted: Wanted) -> Iterable[Finding]:
    if loaded.config.status.sink is SinkKind.NONE:
        yield Finding("sink", Verdict.SKIPPED, "status.sink is none: nothing is written")
        return
    if wanted.skip_db:
        yield Finding("sink", Verdict.SKIPPED, "--skip-db")
        return
    from bifrost.db import ConnectionParams, DatabaseError, connect
    from bifrost.db.schema import schema_check

    try:
        params = ConnectionParams.resolve(loaded.config, default_user="bifrost_engine")
        connection = connect(params, service="check")
    except DatabaseError as error:
        yield Finding("sink", Verdict.FAILED, str(error))
        return
    with closing(connection):
        yield Finding("sink", Verdict.OK, str(params))
        problems = schema_check(connection)
    if problems:
        yield Finding("schema", Verdict.FAILED, "; ".join(problems) + "; `bifrost db refresh` brings it up to date")
    else:
        yield Finding("schema", Verdict.OK, "as this version needs it")


def _ib(loaded: LoadedConfig, wanted: Wanted) -> Finding:
    if wanted.skip_ib:
        return Finding("ib", Verdict.SKIPPED, "--skip-ib")
    from bifrost.ib import IbConnectError

    ib = loaded.config.ib
    where = f"{ib.host}:{ib.port} (from {loaded.ib_source})"
    try:
        accounts = asyncio.run(_managed_accounts(ib.host, ib.port, ib.connect_timeout))
    except IbConnectError as error:
        return Finding("ib", Verdict.FAILED, f"{where}: {error}")
    if ib.account and ib.account not in accounts:
        return Finding("ib", Verdict.FAILED, f"{where}: ib.account {ib.account} is none of {', '.join(accounts)}")
    return Finding("ib", Verdict.OK, f"{where}, accounts {', '.join(accounts)}")


async def _managed_accounts(host: str, port: int, timeout_s: float) -> tuple[str, ...]:
    """Log on with a client id of our own, so that a running engine keeps its own (326)."""
    from bifrost.ib import IbConnection

    connection = IbConnection(_SPARE_CLIENT_ID, connect_timeout_s=timeout_s, readonly=True)
    try:
        return await connection.connect(host, port)
    finally:
        connection.disconnect("self-test over")


def _signal_stop(wanted: Wanted) -> Finding:
    """An engine started and sent SIGTERM must end with exit code 0."""
    if not wanted.signal_test:
        return Finding("signal stop", Verdict.SKIPPED, "only with --signal-test")
    command = [sys.executable, "-m", "bifrost_engine", "run"]
    if wanted.config_file is not None:
        command += ["--config", str(wanted.config_file)]
    environment = dict(os.environ)
    if wanted.scenario is not None:
        environment["BIFROST_SCENARIO"] = str(wanted.scenario)
    return signal_stop(command, environment)


def signal_stop(command: list[str], environment: dict[str, str]) -> Finding:
    """Start ``command``, wait until it handles SIGTERM, send it, and judge its end."""
    name = "signal stop"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            if not _wait(lambda: process.poll() is not None or _handles_sigterm(process.pid), _SIGNAL_START_S):
                return Finding(name, Verdict.FAILED, f"no handler for SIGTERM after {_SIGNAL_START_S:g} s")
            if process.poll() is not None:
                return Finding(name, Verdict.FAILED, f"ended by itself with {process.returncode}: {_said(process)}")
            process.send_signal(signal.SIGTERM)
            if not _wait(lambda: process.poll() is not None, _SIGNAL_STOP_S):
                return Finding(name, Verdict.FAILED, f"still there {_SIGNAL_STOP_S:g} s after SIGTERM")
            if process.returncode != 0:
                return Finding(name, Verdict.FAILED, f"exit code {process.returncode} after SIGTERM: {_said(process)}")
            return Finding(name, Verdict.OK, "SIGTERM ended it with exit code 0")
        finally:
            if process.poll() is None:
                process.kill()


def _said(process: subprocess.Popen[str]) -> str:
    lines = process.stderr.read().strip().splitlines() if process.stderr else []
    return lines[-1] if lines else "it said nothing"


def _handles_sigterm(pid: int) -> bool:
    """Whether the process catches SIGTERM, read from the kernel; where there is no /proc, assume it after a start."""
    status = Path(f"/proc/{pid}/status")
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:
        return not Path("/proc").is_dir()
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
