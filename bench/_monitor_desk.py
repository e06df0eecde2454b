"""What the monitor's benches start: a database, and a monitor process on it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from bifrost.db.ephemeral import EphemeralPostgres

from tests.support.postgres import Database, Databases, EmbeddedServer
from tests.support.waiting import free_port, wait_until

TOKEN = "token-of-the-bench"


@contextlib.contextmanager
def fresh_database() -> Iterator[Database]:
    """A database with the whole schema on a server of its own; `fsync` and `synchronous_commit` are on."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-bench-"))
    folder.chmod(0o755)
    process = EphemeralPostgres(
        folder / "data", free_port(), folder / "owner-password", fsync=True, stop_with_parent=True
    )
    process.start()
    server = EmbeddedServer(folder, process)
    try:
        made = Databases(server).create()
        if (made.value("SHOW fsync"), made.value("SHOW synchronous_commit")) != ("on", "on"):
            raise RuntimeError("fsync or synchronous_commit is off: the figures would not be those of a desk")
        yield made
        made.close()
    finally:
        server.close()


@contextlib.contextmanager
def monitor_process(database: Database, home: Path, **variables: str) -> Iterator[str]:
    """The address of a monitor that is ready."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "BIFROST_HOME": str(home),
        "BIFROST_LOG_DIR": str(home / "logs"),
        "BIFROST_TOKEN": TOKEN,
        "MONITOR_PORT": str(port),
        "BIFROST_MONITOR__CONTROL_POSTS_PER_MINUTE": "1000000",
        **database.env("monitor"),
        **variables,
    }
    with served([sys.executable, "-m", "bifrost_monitor", "run"], env, f"http://127.0.0.1:{port}", "/readyz") as url:
        yield url


@contextlib.contextmanager
def served(command: Sequence[str], env: dict[str, str], url: str, ready: str) -> Iterator[str]:
    """A server process, once it answers at ``ready``."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url + ready, timeout=5, trust_env=False).status_code == 200
        return False

    try:
        wait_until(answers, 60, what=f"{url}{ready}")
        yield url
    finally:
        process.terminate()
        process.wait(15)


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not below ``part`` of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
