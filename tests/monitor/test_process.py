"""The monitor as a process: started before its database, ports, signals, exit codes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.monitor import rows
from tests.support.postgres import Database
from tests.support.waiting import free_port, wait_until

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def started(home: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """``python -m bifrost_monitor run`` with nothing inherited but what Python needs."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    env |= {"BIFROST_HOME": str(home), "BIFROST_TOKEN": "token-of-the-process", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "bifrost_monitor", "run"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lamp(port: int) -> str | None:
    with contextlib.suppress(httpx.TransportError):
        return str(httpx.get(f"http://127.0.0.1:{port}/status", timeout=2).json()["block_reasons"][0]).split(":")[0]
    return None


def test_it_waits_for_the_database_and_goes_on_when_it_comes(database: Database, tmp_path: Path) -> None:
    """Started first, it says why it is red; with the database there, it shows the desk without a restart."""
    rows.write_running_desk(database)
    port, gate = free_port(), free_port()
    variables = database.env("monitor") | {"PGPORT": str(gate), "MONITOR_PORT": str(port)}
    with started(tmp_path, **variables) as process:
        wait_until(lambda: lamp(port) == "database_unavailable", 20, what="the reason")
        with forwarding(gate, int(database.env()["PGPORT"])):
            rows.write_heartbeat(database)
            rows.write_status(database)
            ready = f"http://127.0.0.1:{port}/readyz"
            wait_until(lambda: httpx.get(ready).status_code == 200, 20, what="readiness")
            told = httpx.get(f"http://127.0.0.1:{port}/status").json()
            assert told["status"]["symbol"] == "NVDA"
        assert process.poll() is None


@contextlib.contextmanager
def forwarding(port: int, to: int) -> Iterator[None]:
    """Let ``port`` lead to ``to``: a database that has just become reachable."""
    program = (
        "import asyncio,sys\n"
        "async def pump(r,w):\n"
        "    while data := await r.read(65536): w.write(data); await w.drain()\n"
        "    w.close()\n"
        "async def lead(r,w):\n"
        "    r2,w2 = await asyncio.open_connection('127.0.0.1', int(sys.argv[2]))\n"
        "    await asyncio.gather(pump(r,w2), pump(r2,w), return_exceptions=True)\n"
        "async def main():\n"
        "    await (await asyncio.start_server(lead,'127.0.0.1',int(sys.argv[1]))).serve_forever()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(port), str(to)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_with_0(database: Database, tmp_path: Path, number: signal.Signals) -> None:
    """An open page keeps its connection alive, and a stream one that has no end; neither may delay it."""
    port = free_port()
    with started(tmp_path, MONITOR_PORT=str(port), **database.env("monitor")) as process, httpx.Client() as page:
        wait_until(lambda: lamp(port), 20, what="an answer")
        assert page.get(f"http://127.0.0.1:{port}/status").status_code == 200
        with page.stream("GET", f"http://127.0.0.1:{port}/stream", timeout=30) as stream:
            lines = stream.iter_lines()
            assert any(line == "event: prices" for line in lines)
            process.send_signal(number)
            assert process.wait(timeout=15) == 0
            assert "event: reset" not in list(lines), "a stream ends with the monitor, and the page connects again"
        out, err = process.communicate()
        assert "Traceback" not in out + err
        assert "token-of-the-process" not in out + err
        assert '"message": "stopped"' in out


def test_a_port_in_use_is_named_with_the_variable_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(tmp_path, MONITOR_PORT=str(port)) as process:
            _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use" in err and "MONITOR_PORT" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"MONITOR_HOST": "0.0.0.0", "BIFROST_TOKEN": ""}, "MONITOR_HOST=0.0.0.0"),
        ({"MONITOR_PORT": "eighty"}, "MONITOR_PORT"),
        ({"BIFROST_TOKEN": "", "BIFROST_TOKEN_FILE": "/nonexistent/token"}, "BIFROST_TOKEN_FILE"),
    ],
)
def test_a_wrong_configuration_is_2_with_words(tmp_path: Path, variables: dict[str, str], part: str) -> None:
    with started(tmp_path, **variables) as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert part in err and "Traceback" not in err
