"""GET /status under 50 clients, beside bare FastAPI that does one SELECT per request, in one run.

Both are processes of their own under uvicorn with one worker, on the same database, and take turns. The bare server
reads the one row of `status_current` through psycopg2's pool and returns it; ours answers with everything that the page
shows. One process with 50 kept connections asks; the answers are read, not parsed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import _report
from bench._monitor_desk import fresh_database, monitor_process, quantile, served

CLIENTS = 50


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench status_rps", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    options = parser.parse_args(arguments)
    from tests.monitor import rows
    from tests.support.waiting import free_port

    _report.heading(f"GET /status under {CLIENTS} clients", ("fastapi", "uvicorn", "psycopg2-binary"))
    with tempfile.TemporaryDirectory() as folder, fresh_database() as database:
        rows.write_account(database)
        rows.write_running_desk(database)
        port = free_port()
        env = {"PATH": os.environ["PATH"], **database.env("monitor"), "BARE_PORT": str(port)}
        bare_command = [sys.executable, "-m", "bench._bare_status"]
        with (
            monitor_process(database, Path(folder)) as ours,
            served(bare_command, env, f"http://127.0.0.1:{port}", "/status") as bare,
        ):
            measured: dict[str, list[tuple[float, list[float], int]]] = {"bare FastAPI + one SELECT": [], "Bifrost": []}
            for _ in range(options.rounds):
                for name, url in zip(measured, (bare, ours), strict=True):
                    rows.write_heartbeat(database)
                    rows.write_status(database)
                    measured[name].append(asyncio.run(load(url, options.seconds)))
    table = []
    rates = {}
    for name, turns in measured.items():
        rates[name] = statistics.median(rate for rate, _, _ in turns)
        took = [second for _, seconds, _ in turns for second in seconds]
        times = (f"{quantile(took, part) * 1000:.1f}" for part in (0.5, 0.99))
        table.append((name, f"{rates[name]:.0f}", *times, str(turns[0][2])))
    _report.table(("server", "requests/s", "p50 ms", "p99 ms", "bytes"), table)
    ratio = rates["Bifrost"] / rates["bare FastAPI + one SELECT"]
    print(f"requests per second, Bifrost / bare: {ratio:.2f} (aim: 2 at least)")
    return 0


async def load(url: str, seconds: float) -> tuple[float, list[float], int]:
    """Requests per second, seconds of each, and bytes of an answer; 50 connections, each asking again at once."""
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET /status HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    took: list[float] = []
    sizes: list[int] = []
    stop_at = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < stop_at:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{url} answered {head.splitlines()[0]!r}")
            length = next(
                int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            took.append(time.perf_counter() - began)
            sizes.append(length)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(took) / (time.perf_counter() - began), took, sizes[0]
