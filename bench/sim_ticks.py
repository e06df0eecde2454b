"""Ticks a second from the simulated gateway, beside a bare asyncio server that sends the same frames.

Clients that only count frames (one, ten) and one ib_insync; then the simulator's processor time at 10,000 ticks a
second, once for the gateway alone and once for the whole simulator with its market and greeks.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench import _report
from bench._tick_script import TICKS_A_LINE

ROOT = Path(__file__).resolve().parents[1]
SERVERS = {
    "single": "bare asyncio, frames made before, one write a tick",
    "plain": "bare asyncio, frames made when due, 8 KB writes",
    "chunked": "bare asyncio, frames made before, 8 KB writes",
    "gateway": "simulated gateway",
}
SCENES = (("one counting client", "count", 1, 800), ("ten counting clients", "count", 10, 100),
          ("one ib_insync", "ib_insync", 1, 250))  # fmt: skip
CONTRACTS = 100
AIM = 1.5
RATE = 10_000
SPEED = 60  # market seconds a wall second of bench/sim_ticks.yaml
LIMIT_S = 180


@dataclass(frozen=True)
class Result:
    """One run: what the clients got and what the server spent."""

    ticks: int
    seconds: float
    server_cpu_s: float
    server_wall_s: float

    @property
    def per_second(self) -> float:
        return self.ticks / self.seconds


@contextmanager
def started(module: str, *arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process with a pipe, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next JSON line of a process."""
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("{"):
            return dict(json.loads(text))
    raise SystemExit(f"bench: {process.args!r} ended without its figures")


def deliver(server: str, client: str, clients: int, rounds: int, rate: float = 0.0) -> Result:
    """Run one server with its clients."""
    wanted = ("--clients", str(clients), "--contracts", str(CONTRACTS), "--rounds", str(rounds))
    with started(
        "bench._tick_servers", server, *wanted, "--ticks-a-line", str(TICKS_A_LINE), "--rate", str(rate)
    ) as serving:
        hello = line(serving)
        connect = ("--port", str(hello["port"]), "--con-ids", json.dumps(hello["con_ids"]), "--clients", str(clients))
        with started("bench._tick_clients", client, *connect) as counting:
            spent, got = line(serving), line(counting)
    if got["frames"] != spent["ticks"]:
        raise SystemExit(f"bench: {server} sent {spent['ticks']} ticks, the clients counted {got['frames']}")
    return Result(int(got["frames"]), got["seconds"], spent["cpu_s"], spent["wall_s"])


def throughput(repeats: int) -> None:
    """Ticks a second of all servers, best of ``repeats``: on a shared machine the worst says more about neighbours."""
    columns = ["", "ticks/s", "peer / gateway", "server us a tick"]
    for title, client, clients, rounds in SCENES:
        best = {
            server: max((deliver(server, client, clients, rounds) for _ in range(repeats)), key=lambda r: r.per_second)
            for server in SERVERS
        }
        ours = best["gateway"].per_second
        rows = []
        for server, about in SERVERS.items():
            result = best[server]
            ratio = "" if server == "gateway" else f"{result.per_second / ours:.2f}"
            cost_us = 1e6 * result.server_cpu_s / result.ticks
            rows.append([f"{title}: {about}", f"{result.per_second:,.0f}", ratio, f"{cost_us:.2f}"])
        _report.table(columns, rows)
        sys.stdout.flush()
    print(f"aim: no peer above {AIM} times the gateway; frames made before are the floor of the socket and the reader,")
    print("beyond what anybody reaches who learns the numbers when they are due")


def gateway_at_rate() -> None:
    """Processor time of the gateway at a steady rate of made ticks."""
    for clients in (1, 10):
        rounds = max(1, 8 * RATE // (CONTRACTS * TICKS_A_LINE * clients))
        result = deliver("gateway", "count", clients, rounds, RATE)
        share = result.server_cpu_s / result.server_wall_s
        print(f"gateway alone, {clients} client(s): {result.per_second:,.0f} ticks/s cost {share:.0%} of one core")


def simulator_at_rate(seconds: float, clients: int, contracts: int) -> None:
    """Processor time of the whole simulator: market, greeks, feed, gateway, journal, admin API."""
    from tests.support.waiting import free_port, wait_until

    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="bifrost-bench-") as home:
        env = {
            "PATH": os.environ["PATH"],
            "BIFROST_HOME": home,
            "BIFROST_LOG_DIR": f"{home}/logs",
            "SIM_PORT": str(port),
            "SIM_ADMIN_PORT": str(admin),
            "BIFROST_SIMULATOR__MARKET_DATA_LINES": str(contracts),
            "BIFROST_SIMULATOR__MESSAGES_PER_SECOND": "1000000",
        }
        scenario = str(ROOT / "bench" / "sim_ticks.yaml")
        with started("bifrost_simulator", "run", "--scenario", scenario, env=env) as simulator:
            wait_until(lambda: _listening(port), 60, what="the simulator")
            con_ids = _con_ids(port, contracts)
            connect = ("--port", str(port), "--con-ids", json.dumps(con_ids), "--seconds", str(seconds))
            with started("bench._tick_clients", "count", *connect, "--clients", str(clients)) as counting:
                assert line(counting)["counting"]
                process = psutil.Process(simulator.pid)
                before = sum(process.cpu_times()[:2])
                got = line(counting)
                spent_s = sum(process.cpu_times()[:2]) - before
    rate, share = got["frames"] / got["seconds"], spent_s / got["seconds"]
    print(
        f"whole simulator, {clients} clients with {contracts} instruments each, {seconds * SPEED / 3600:.1f} market "
        f"hours: {rate:,.0f} ticks/s cost {share:.0%} of one core; {share * RATE / rate:.0%} for every {RATE:,}"
    )


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _con_ids(port: int, count: int) -> list[int]:
    """ConIds of the underlying and its first options, from the gateway itself."""
    import asyncio

    asyncio.set_event_loop(asyncio.new_event_loop())
    import ib_insync

    ib = ib_insync.IB()
    ib.connect("127.0.0.1", port, clientId=99)
    stock = ib.reqContractDetails(ib_insync.Stock("NVDA", "SMART", "USD"))
    options = ib.reqContractDetails(ib_insync.Contract(symbol="NVDA", secType="OPT", exchange="SMART"))
    ib.disconnect()
    found = [details.contract.conId for details in (*stock, *options)][:count]
    if len(found) < count:
        raise SystemExit(f"bench: only {len(found)} of {count} instruments are listed")
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench sim_ticks")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each pair; the best counts")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="wall seconds of the whole simulator; 390 are a session's 6.5 hours"
    )
    parser.add_argument("--whole-only", action="store_true", help="only the whole simulator")
    parser.add_argument("--clients", type=int, default=5, help="clients of the whole simulator")
    parser.add_argument("--instruments", type=int, default=200)
    given = parser.parse_args(arguments)
    _report.heading("Ticks from the simulated gateway", ("ib_insync", "bifrost-simulator"))
    if not given.whole_only:
        throughput(given.repeats)
        gateway_at_rate()
    simulator_at_rate(given.seconds, given.clients, given.instruments)
    return 0
