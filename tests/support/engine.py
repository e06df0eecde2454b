"""The real engine as a process of its own, and what tests ask of its database."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.postgres import Database
from tests.support.waiting import wait_until


class EngineProcess:
    """Starts, kills and stops one engine; its log lies in ``home/engine-<n>.log``."""

    def __init__(self, database: Database, home: Path, environment: dict[str, str], config: Path | None = None) -> None:
        self.database = database
        self.home = home
        self.environment = environment
        self.config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> EngineProcess:
        self.home.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        env = {
            "PATH": os.environ["PATH"],
            "BIFROST_HOME": str(self.home),
            "BIFROST_LOG_DIR": str(self.home / "logs"),
            **self.database.env("engine"),
            **self.environment,
        }
        command = [sys.executable, "-m", "bifrost_engine", "run"]
        if self.config is not None:
            command += ["--config", str(self.config)]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        return self

    @property
    def log_file(self) -> Path:
        return self.home / f"engine-{self._starts}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self, limit_s: float = 15.0) -> int:
        """SIGTERM; gives the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(limit_s)

    def exit_code(self, limit_s: float = 15.0) -> int:
        """Wait for it to end by itself."""
        assert self._process is not None
        return self._process.wait(limit_s)

    def __enter__(self) -> EngineProcess:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        if self.running:
            self.kill()

    # -- what it wrote

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = 30.0) -> Any:
        """Wait for a condition while the engine lives; a failure shows the end of its log.

        A busy machine gets its time: a limit only ends a wait that has no end.
        """
        limit_s = max(limit_s, 90.0)

        def check() -> Any:
            assert self.running, f"the engine ended while waiting for {what}:\n{self.log[-3000:]}"
            return condition()

        try:
            return wait_until(check, limit_s, what=what, every_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    def status(self) -> dict[str, Any]:
        """status_current with details; empty before the first row."""
        names = (
            "daemon_state trading_state hedge_state net_delta stock_position status_lamp self_check block_reasons epoch"
        )
        rows = self.database.query(f"SELECT {', '.join(names.split())}, details FROM status_current")
        return dict(zip([*names.split(), "details"], rows[0], strict=True)) if rows else {}

    def operations(self, kind: str) -> list[dict[str, Any]]:
        rows = self.database.query(
            "SELECT order_ref, exec_id, side, quantity, price FROM operations WHERE type = %s ORDER BY id", kind
        )
        return [dict(zip(("order_ref", "exec_id", "side", "quantity", "price"), row, strict=True)) for row in rows]

    def ledger_shares(self) -> float:
        """Own shares by the executions in the database that nothing supersedes."""
        return float(
            self.database.value(
                "SELECT coalesce(sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END), 0) FROM executions e "
                "WHERE origin <> 'external' AND contract_key LIKE '%%|STK|%%' "
                "AND NOT EXISTS (SELECT FROM executions r WHERE r.replaces_exec_id = e.exec_id)"
            )
        )

    def command(self, name: str, **args: object) -> int:
        """Insert a command as psql would; gives its id."""
        return int(
            self.database.value(
                "INSERT INTO daemon_control (command, args) VALUES (%s, %s) RETURNING id", name, json.dumps(args)
            )
        )

    def answered(self, command_id: int, limit_s: float = 20.0) -> tuple[str, dict[str, Any]]:
        """Wait until a command has its end; gives status and result."""

        def ended() -> Any:
            rows = self.database.query("SELECT status, result FROM daemon_control WHERE id = %s", command_id)
            return rows[0] if rows and rows[0][0] not in ("pending", "accepted") else None

        status, result = wait_until(ended, limit_s, what=f"the end of command {command_id}", every_s=0.05)
        return status, result or {}


@contextlib.contextmanager
def frozen(pid: int) -> Any:
    """Hold a process with SIGSTOP for the length of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
