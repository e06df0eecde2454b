"""Events a second through the whole decision core in a backtest, beside a bare loop over the same quotes.

A made tape of one-second quotes of a stock and twenty option legs: each second the stock ticks, and legs in turn. The
bare loop reads the same bursts and keeps the newest quote of each line, nothing else: the floor of anything that looks
at them. There is no quick path: every burst is one full evaluation. Times are CPU seconds of this process. Memory is
looked at after each day: it must not grow with the tape.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost.config import load_config
from bifrost.contract import ContractKey, contract_key
from bifrost.tape import Publication
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.backtest.legs import Entry, Held
from bifrost_engine.backtest.market import BadRows, Burst
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.domain.state import Rules

from ._report import heading, record, table

STOCK = contract_key("NVDA", "STK")
FIRST_DAY, EXPIRY = date(2026, 5, 7), "20260605"
STRIKES = (130.0, 132.5, 135.0, 137.5, 140.0, 142.5, 145.0, 147.5, 150.0, 152.5)
LEGS = tuple(ContractKey("NVDA", "OPT", EXPIRY, strike, right) for strike in STRIKES for right in "CP")
VOLATILITY = 0.35
PACKAGES = ("numpy", "QuantLib")


class MadeSeconds:
    """Implements `Market`: quotes are made while they are read, so that no list of them is held."""

    stock = STOCK

    def __init__(self, events: int) -> None:
        self.bad = BadRows()
        self.events = events
        self.memory_mb: list[float] = []

    def data_hash(self) -> str:
        return f"made-{self.events}"

    def bursts(self) -> Iterator[Burst]:
        calendar, chance, made = TradingCalendar(), random.Random(1), 0
        spot, day = 140.0, FIRST_DAY
        step = VOLATILITY / math.sqrt(SECONDS_A_YEAR)
        ends_s = calendar.last_trading_moment_s(LEGS[0].expiry_date)
        while made < self.events:
            session = calendar.session(day)
            day += timedelta(days=1)
            if session is None:
                continue
            for second in range(1, int(session.close_s - session.open_s)):
                at_s = session.open_s + second
                spot *= math.exp(step * chance.gauss(0.0, 1.0))
                # All legs in the first second and at the entry, one in turn each second after it.
                legs: Sequence[ContractKey] = LEGS if second in (1, 900) else (LEGS[second % len(LEGS)],)
                t_years = (ends_s - at_s) / SECONDS_A_YEAR
                quotes = [_quote(at_s, STOCK, spot, 0.01)]
                quotes += [_quote(at_s, leg, _price(leg, spot, t_years), 0.02) for leg in legs]
                yield Burst(at_s, tuple(quotes))
                made += len(quotes)
                if made >= self.events:
                    return
            self.memory_mb.append(_memory_mb())


def _quote(at_s: float, key: ContractKey, mid: float, half_spread: float) -> Publication:
    mid = max(mid, half_spread * 2)
    return Publication(at_s, key, round(mid - half_spread, 2), 500.0, round(mid + half_spread, 2), 500.0)


def _price(key: ContractKey, spot: float, t_years: float) -> float:
    """Black–Scholes at a rate of zero."""
    spread = VOLATILITY * math.sqrt(t_years)
    d1 = math.log(spot / key.strike) / spread + spread / 2
    sign = 1.0 if key.right == "C" else -1.0
    in_the_money, exercised = (0.5 * (1.0 + math.erf(sign * d / math.sqrt(2.0))) for d in (d1, d1 - spread))
    return sign * (spot * in_the_money - key.strike * exercised)


def _memory_mb() -> float:
    """Largest resident memory so far; Linux counts kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _rules() -> Rules:
    keys = {"gates.guard.risk.paper_trade": False, "greeks.risk_free_rate": 0.0,
            "gates.guard.risk.max_position_shares": 100_000}  # fmt: skip
    loaded = load_config(None, env={}, overrides=keys)
    return Rules(loaded.config, loaded.hash, TradingCalendar())


def _bare(events: int) -> tuple[int, int, float]:
    """Quotes, bursts and CPU seconds of reading the tape and keeping the newest quote of each line."""
    newest: dict[ContractKey, Publication] = {}
    quotes = bursts = 0
    began = time.process_time()
    for burst in MadeSeconds(events).bursts():
        bursts += 1
        for quote in burst.quotes:
            newest[quote.key] = quote
            quotes += 1
    return quotes, bursts, time.process_time() - began


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench replay", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="quotes on the tape (200,000; a year is 6,000,000)")
    parser.add_argument("--record", action="store_true", help="keep the run under docs/runs")
    args = parser.parse_args(arguments)
    heading("replay: events a second through the whole core", PACKAGES)
    quotes, bursts, bare_s = _bare(args.events)
    market = MadeSeconds(args.events)
    began = time.process_time()
    entry = Entry(tuple(Held(leg, 1.0) for leg in LEGS))
    outcome = BacktestRun(_rules(), market, entry, FillModel()).run()
    core_s = time.process_time() - began
    rows = [
        ("bare loop over the tape", f"{quotes:,}", f"{bursts:,}", f"{bare_s:.1f}", f"{quotes / bare_s:,.0f}", "1"),
        ("whole core, every burst evaluated", f"{quotes:,}", f"{outcome.tally.ticks:,}", f"{core_s:.1f}",
         f"{quotes / core_s:,.0f}", f"{bare_s / core_s:.4f}"),
    ]  # fmt: skip
    table(("way", "quotes", "evaluations", "CPU s", "quotes/s", "ratio"), rows)
    events_a_s = outcome.tally.events / core_s
    print(f"events of every kind through decide: {outcome.tally.events:,}, {events_a_s:,.0f}/s; "
          f"hedges {outcome.tally.hedges}")  # fmt: skip
    grown = market.memory_mb[-1] - market.memory_mb[0] if len(market.memory_mb) > 1 else 0.0
    print(f"memory: {_memory_mb():.0f} MB at most, {grown:+.1f} MB from the end of the first day to that of the last")
    if args.record:
        figures = {
            "quotes": quotes,
            "bare_quotes_a_s": round(quotes / bare_s),
            "core_quotes_a_s": round(quotes / core_s),
            "core_events_a_s": round(events_a_s),
            "memory_mb": round(_memory_mb(), 1),
            "memory_grown_mb": round(grown, 1),
        }
        record("replay", PACKAGES, figures)
    return 0
