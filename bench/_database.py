"""A PostgreSQL for benches: the wheel's server on the disk of the temporary folder, durable, with the whole schema."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bifrost.db import Connection
from bifrost.db.ephemeral import EphemeralPostgres
from bifrost.db.roles import OWNER

from tests.support.postgres import Database, Databases, EmbeddedServer
from tests.support.waiting import free_port

#: What a commit waits for; benches that time commits refuse to run without it.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@contextmanager
def durable_server() -> Iterator[Databases]:
    """A server that makes databases with the schema, nothing of durability switched off; it goes at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-bench-"))
    folder.chmod(0o755)
    process = EphemeralPostgres(folder / "data", free_port(), folder / "owner-password", stop_with_parent=True)
    process.start()
    server = EmbeddedServer(folder, process)
    try:
        yield Databases(server)
    finally:
        server.close()


def assert_durable(conn: Connection) -> dict[str, str]:
    """Stop the bench unless a commit of this session waits for the disk; returns what was found."""
    found = {}
    with conn.cursor() as cursor:
        for name, wanted in DURABLE.items():
            cursor.execute("SELECT current_setting(%s)", (name,))
            row = cursor.fetchone()
            found[name] = str(row[0]) if row else ""
            if found[name] != wanted:
                raise SystemExit(f"bench: {name} is {found[name]}, it must be {wanted}: a commit would cost nothing")
    return found


def take_lease(database: Database, epoch: int) -> None:
    """Let ``epoch`` lead, so that an engine's connection may write."""
    database.query("UPDATE engine_lease SET epoch = %s", epoch)


def fdatasync_s(folder: Path, size: int, count: int) -> list[float]:
    """Seconds of appending ``size`` bytes to a file and waiting for the disk."""
    line = b"x" * (size - 1) + b"\n"
    taken = []
    fd = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(count):
            began_s = time.perf_counter()
            os.write(fd, line)
            os.fdatasync(fd)
            taken.append(time.perf_counter() - began_s)
    finally:
        os.close(fd)
        (folder / "floor").unlink()
    return taken


class Pgbench:
    """PostgreSQL's own pgbench with one client and a script of one statement."""

    def __init__(self, database: Database, statement: str) -> None:
        server: Any = database.server
        self._program = server.process.bin_dir / "pgbench"
        self._folder = Path(tempfile.mkdtemp(prefix="bifrost-pgbench-"))
        self._script = self._folder / "script.sql"
        self._script.write_text(statement + "\n", encoding="utf-8")
        self._env = {**os.environ, "PGPASSWORD": server.password}
        self._where = ["-h", server.host, "-p", str(server.port), "-U", OWNER, database.name]

    def run_s(self, seconds: int, protocol: str) -> list[float]:
        """Seconds of each transaction, from pgbench's own log."""
        log = self._folder / "log"
        asked = ["-n", "-c", "1", "-T", str(seconds), "-M", protocol, "-f", str(self._script), "-l"]
        done = subprocess.run(
            [str(self._program), *asked, f"--log-prefix={log}", *self._where],
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"bench: pgbench failed: {done.stderr.strip()}")
        taken = []
        for file in self._folder.glob("log.*"):
            taken += [int(line.split()[2]) / 1e6 for line in file.read_text(encoding="ascii").splitlines()]
            file.unlink()
        return taken

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
