"""Events a second in a backtest: quick path and whole core, beside a bare loop, backtrader and nautilus_trader.

A made tape of one-second quotes of a stock and twenty option legs, two quotes a second. The bare loop and the quick
path run the whole of it; the others run its beginning, as long as the options say: their rate does not depend on the
length. The bare loop keeps the newest quote of each line, nothing else: the floor of anything that looks at them. The
whole core evaluates every second. The peers run the same strategy (volatility from each leg's mid, delta of all legs
each second, hedge to zero at 25 shares, a minute's cooldown) in environments of their own; the making of their data is
not counted. Each leg is one contract; a book three times as large is hedged some ten times as often. Times are CPU
seconds. Memory is looked at after each day: it must not grow.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bifrost.calendar import TradingCalendar
from bifrost.config import load_config
from bifrost.contract import ContractKey, contract_key
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.backtest.legs import Entry, Held
from bifrost_engine.backtest.market import BadRows, Burst
from bifrost_engine.backtest.outcome import Outcome
from bifrost_engine.backtest.quick import QuickRun
from bifrost_engine.backtest.quick.blocks import BURSTS, Block
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.domain.state import Rules

from . import _replay_tape as tape
from ._report import heading, record, table

ROOT = Path(__file__).resolve().parents[1]
STOCK = contract_key("NVDA", "STK")
LEGS = tuple(ContractKey("NVDA", "OPT", tape.EXPIRY, strike, right) for strike, right in tape.LEGS)
PACKAGES = ("numpy", "bifrost")
AIM = 200_000
PEERS = ("backtrader", "nautilus")
#: Of each leg in the busier book: the more is hedged, the less is spared.
BUSY_CONTRACTS = 3.0


class MadeSeconds:
    """Implements `Market` and `InBlocks`: quotes are made a day at a time, no list of them is held."""

    stock = STOCK

    def __init__(self, events: int) -> None:
        self.bad = BadRows()
        self.events = events
        self.memory_mb: list[float] = []

    def data_hash(self) -> str:
        return f"made-{self.events}"

    def days(self) -> Iterator[Any]:
        for rows in tape.days(_sessions(), _expires_s(), self.events):
            yield rows
            self.memory_mb.append(_memory_mb())

    def blocks(self) -> Iterator[Block]:
        for rows in self.days():
            for start in range(0, len(rows), BURSTS):
                yield _block(rows[start : start + BURSTS])

    def bursts(self) -> Iterator[Burst]:
        for block in self.blocks():
            yield from (block.burst(index) for index in range(len(block)))


def _block(rows: Any) -> Block:
    """Rows of the tape as the backtest wants its columns: the stock's quote, then the leg's."""
    count = len(rows)
    line = np.zeros(2 * count, dtype=np.intp)
    line[1::2] = 1 + rows[:, 3].astype(np.intp)
    bid, ask = (np.ascontiguousarray(rows[:, [at, at + 3]]).reshape(-1) for at in (1, 2))
    size = np.full(2 * count, 500.0)
    first = np.arange(0, 2 * count + 1, 2)
    return Block((STOCK, *LEGS), np.ascontiguousarray(rows[:, 0]), first, line, bid, size, ask, size)


def _sessions() -> Iterator[tuple[float, float]]:
    calendar, day = TradingCalendar(), date.fromisoformat(tape.FIRST_DAY)
    while day < LEGS[0].expiry_date:
        session = calendar.session(day)
        if session is not None:
            yield session.open_s, session.close_s
        day += timedelta(days=1)


def _expires_s() -> float:
    return TradingCalendar().last_trading_moment_s(LEGS[0].expiry_date)


def _memory_mb() -> float:
    """Largest resident memory so far; Linux counts kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _rules() -> Rules:
    keys = {"gates.guard.risk.paper_trade": False, "greeks.risk_free_rate": 0.0,
            "gates.intent.hedge.min_price_move_pct": 0.0, "gates.guard.risk.max_position_shares": 100_000,
            "gates.guard.risk.max_daily_loss_usd": 1e6}  # fmt: skip
    loaded = load_config(None, env={}, overrides=keys)
    return Rules(loaded.config, loaded.hash, TradingCalendar())


def _bare(events: int) -> tuple[int, float]:
    """Quotes and CPU seconds of a loop that keeps the newest quote of each line."""
    newest: dict[int, tuple[float, float, float]] = {}
    quotes = 0
    began = time.process_time()
    for rows in MadeSeconds(events).days():
        for at_s, bid, ask, leg, leg_bid, leg_ask in rows.tolist():
            newest[-1] = (at_s, bid, ask)
            newest[leg] = (at_s, leg_bid, leg_ask)
            quotes += 2
    return quotes, time.process_time() - began


def _backtest(kind: type[BacktestRun], market: MadeSeconds, contracts: float = 1.0) -> tuple[Outcome, float]:
    entry = Entry(tuple(Held(leg, contracts) for leg in LEGS))
    began = time.process_time()
    outcome = kind(_rules(), market, entry, FillModel()).run()
    return outcome, time.process_time() - began


def _peer(name: str, events: int) -> dict[str, Any]:
    """What a peer made of the beginning of the tape, by a process in its own environment."""
    folder, lock = ROOT / f".venv-bench-{name}", ROOT / "requirements" / f"bench_{name}.lock"
    made = [sys.executable, str(ROOT / "tools/desk/environment.py"), "--folder", str(folder), "--lock", str(lock)]
    subprocess.run([*made, "--packages"], check=True)
    sessions = list(_sessions())
    task = {"sessions": sessions, "expires_s": _expires_s(), "quotes": events, "entry_s": sessions[0][0] + 900.0}
    peer = [str(folder / "bin" / "python"), str(ROOT / "bench" / f"_replay_{name}.py")]
    done = subprocess.run(peer, input=json.dumps(task), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench replay: {name} failed:\n{done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def _title(name: str, quick: Outcome) -> str:
    return f"{name}, {quick.tally.skipped / quick.tally.events:.2%} of evaluations spared"


def _held_to_each_other(full: Outcome, quick: Outcome) -> None:
    """The quick path came to what the full one did, or the bench says no figure."""
    for name in ("ticks", "events", "outcomes", "blocked", "operations", "fills", "shares_traded", "slippage_usd",
                 "commissions_usd", "pnl_usd"):  # fmt: skip
        one, other = getattr(full.tally, name), getattr(quick.tally, name)
        if one != other:
            raise SystemExit(f"bench replay: full and quick differ in {name}: {one} and {other}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench replay", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="quotes on the tape (200,000; a year is 6,000,000)")
    parser.add_argument("--core-events", type=int, default=40_000, help="those that the whole core is fed (40,000)")
    parser.add_argument("--peer-events", type=int, default=200_000, help="those that each peer is fed (200,000)")
    parser.add_argument("--without-peers", action="store_true", help="bare loop and our own paths alone")
    parser.add_argument("--record", action="store_true", help="keep the run under docs/runs")
    args = parser.parse_args(arguments)
    heading("replay: events a second in a backtest", PACKAGES)
    part = min(args.core_events, args.events)
    _expires_s()  # the calendar is made before anything is timed
    quotes, bare_s = _bare(args.events)
    market = MadeSeconds(args.events)
    quick, quick_s = _backtest(QuickRun, market)
    busy, busy_s = _backtest(QuickRun, MadeSeconds(args.events), BUSY_CONTRACTS)
    full, full_s = _backtest(BacktestRun, MadeSeconds(part))
    _held_to_each_other(full, _backtest(QuickRun, MadeSeconds(part))[0])
    rates = {"bare": quotes / bare_s, "quick": quotes / quick_s, "busy": quotes / busy_s, "core": part / full_s}
    rows = [
        ("bare loop over the tape", quotes, bare_s, "-"),
        (_title("quick path", quick), quotes, quick_s, str(quick.tally.hedges)),
        (_title("quick path, three times the book", busy), quotes, busy_s, str(busy.tally.hedges)),
        ("whole core, every second evaluated", part, full_s, str(full.tally.hedges)),
    ]  # fmt: skip
    versions = {}
    for name in () if args.without_peers else PEERS:
        said = _peer(name, min(args.peer_events, args.events))
        versions[name] = said["version"]
        rates[name] = said["quotes"] / said["seconds"]
        title = f"{name} {said['version']}, the same strategy"
        rows.append((title, said["quotes"], said["seconds"], str(said["hedges"])))
    table(
        ("way", "quotes", "CPU s", "quotes/s", "bare loop / it", "hedges"),
        [
            (name, f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}", f"{rates['bare'] * seconds / count:.1f}",
             hedges)
            for name, count, seconds, hedges in rows
        ],
    )  # fmt: skip
    grown = market.memory_mb[-1] - market.memory_mb[0]
    print(f"full and quick agree on the first {part:,} quotes: counts, orders, fills, costs, P&L")
    print(f"memory: {max(market.memory_mb):.0f} MB at most, {grown:+.1f} MB from the end of the first day on")
    ahead = all(rates["quick"] > rates[name] for name in versions)
    reached = "reached" if ahead and rates["quick"] >= AIM else "NOT reached"
    print(f"aim: {AIM:,} quotes/s and ahead of the peers: {reached}")
    if args.record:
        figures = {
            "quotes": quotes,
            "core_quotes": part,
            "quotes_a_s": {name: round(rate) for name, rate in rates.items()},
            "spared": round(quick.tally.skipped / quick.tally.events, 5),
            "hedges": {name: int(hedges) for (name, _, _, hedges) in rows if hedges != "-"},
            "peers": versions,
            "memory_mb": round(max(market.memory_mb), 1),
            "memory_grown_mb": round(grown, 1),
        }
        record("replay", PACKAGES, figures)
    return 0
