"""Price and greeks of a 200-leg book, beside QuantLib and vollib.

Three books: European, American, American with a dividend before expiry. A tick moves spot; every side computes price,
delta, gamma, vega and theta of all legs (rho too where the peer has it in closed form). What the peers allow to be
made before is made before: their option objects and engines stand, only the spot quote moves. For American legs
QuantLib runs its engine for calls that nobody exercises early in closed form, like ours, and the fastest of its
engines that holds our accuracy counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import QuantLib as ql
from bifrost.options import BookGreeks, book_greeks

from bench import _report

ROOT = Path(__file__).resolve().parents[1]
AIM = 10.0
TICKS_A_TURN = 3
SPOT, RATE, DIVIDEND = 100.0, 0.05, (15, 0.25)
TODAY, DAYS = ql.Date(1, 6, 2026), ql.Actual365Fixed()
PACKAGES = ("numpy", "QuantLib", "bifrost")


@dataclass(frozen=True)
class Book:
    """Legs around the money with a smile; ``days`` to expiry."""

    strike: Any
    days: Any
    vol: Any
    right: list[str]

    @classmethod
    def of(cls, legs: int) -> Book:
        pairs = legs // 2
        strikes = np.repeat(np.linspace(85.0, 115.0, pairs), 2)
        days = np.tile(np.repeat([21, 28, 35, 63], 2), legs // 8 + 1)[:legs]
        return cls(strikes, days, 0.30 + 0.004 * np.abs(strikes - 100.0), ["C", "P"] * pairs)

    @property
    def years(self) -> Any:
        return self.days / 365.0


class Peer:
    """The book in QuantLib: one option object a leg, all on one spot quote."""

    def __init__(self, book: Book, american: bool, engine: Callable[[Any], Any] | None) -> None:
        ql.Settings.instance().evaluationDate = TODAY
        self.spot = ql.SimpleQuote(SPOT)
        self.legs = []
        for strike, days, vol, right in zip(
            book.strike.tolist(), book.days.tolist(), book.vol.tolist(), book.right, strict=True
        ):
            vol_quote = ql.SimpleQuote(vol)
            surface = ql.BlackConstantVol(TODAY, ql.NullCalendar(), ql.QuoteHandle(vol_quote), DAYS)
            process = ql.BlackScholesMertonProcess(
                ql.QuoteHandle(self.spot), _flat(0.0), _flat(RATE), ql.BlackVolTermStructureHandle(surface)
            )
            side = ql.Option.Call if right == "C" else ql.Option.Put
            closed = engine is None
            expiry = TODAY + int(days)
            exercise = ql.AmericanExercise(TODAY, expiry) if american and not closed else ql.EuropeanExercise(expiry)
            option = ql.VanillaOption(ql.PlainVanillaPayoff(side, strike), exercise)
            option.setPricingEngine(ql.AnalyticEuropeanEngine(process) if closed else engine(process))
            self.legs.append((option, vol_quote, vol))


def _flat(rate: float) -> Any:
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


def closed_form(peer: Peer) -> list[float]:
    """Everything in closed form; returns the deltas."""
    deltas = []
    for option, _, _ in peer.legs:
        option.NPV(), option.gamma(), option.vega(), option.theta(), option.rho()
        deltas.append(option.delta())
    return deltas


def with_vega(peer: Peer) -> list[float]:
    """Price, delta, gamma and theta from the engine's grid, vega by one more volatility."""
    deltas = []
    for option, vol_quote, vol in peer.legs:
        option.NPV(), option.gamma(), option.theta()
        deltas.append(option.delta())
        vol_quote.setValue(vol + 1e-3)
        option.NPV()
        vol_quote.setValue(vol)
    return deltas


def by_differences(peer: Peer) -> list[float]:
    """Engines without greeks: price, two more spots, one more volatility; theta follows from the pricing equation.

    Spot outside, legs inside: every leg is priced once for each spot.
    """
    spot = peer.spot.value()
    for option, vol_quote, vol in peer.legs:
        option.NPV()
        vol_quote.setValue(vol + 1e-3)
        option.NPV()
        vol_quote.setValue(vol)
    peer.spot.setValue(spot * 1.001)
    higher = [option.NPV() for option, _, _ in peer.legs]
    peer.spot.setValue(spot * 0.999)
    lower = [option.NPV() for option, _, _ in peer.legs]
    peer.spot.setValue(spot)
    return [(up - down) / (0.002 * spot) for up, down in zip(higher, lower, strict=True)]


def fast(process: Any) -> Any:
    return ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.fastScheme())


def tree(process: Any) -> Any:
    return ql.BinomialVanillaEngine(process, "lr", 101)


def differences(process: Any) -> Any:
    return ql.FdBlackScholesVanillaEngine(process, 60, 120)


def differences_with_dividend(process: Any) -> Any:
    days, amount = DIVIDEND
    schedule = ql.DividendVector([TODAY + days], [amount])
    douglas, escrowed = ql.FdmSchemeDesc.Douglas(), ql.FdBlackScholesVanillaEngine.Escrowed
    return ql.FdBlackScholesVanillaEngine(process, schedule, 60, 120, 0, douglas, False, -1.0, escrowed)


@dataclass(frozen=True)
class Side:
    """One way through a book: seconds of a round at a spot, and its deltas."""

    name: str
    tick: Callable[[float], Any]


def ours(name: str, book: Book, american: bool, dividends: tuple[tuple[float, float], ...] = ()) -> Side:
    years = book.years

    def tick(spot: float) -> Any:
        figures: BookGreeks = book_greeks(
            spot, book.strike, years, RATE, 0.0, book.vol, book.right, american, dividends
        )
        return figures.delta

    return Side(name, tick)


def quantlib(name: str, parts: list[tuple[Peer, Callable[[Peer], list[float]]]]) -> Side:
    def tick(spot: float) -> Any:
        deltas: list[float] = []
        for peer, work in parts:
            peer.spot.setValue(spot)
            deltas += work(peer)
        return deltas

    return Side(name, tick)


def part(book: Book, right: str) -> Book:
    """The calls or the puts of a book."""
    chosen = np.array([side == right for side in book.right])
    return Book(book.strike[chosen], book.days[chosen], book.vol[chosen], [right] * int(chosen.sum()))


def measure(sides: list[Side], rounds: int) -> list[tuple[float, Sequence[float]]]:
    """Seconds of a tick and the deltas at the common spot.

    The sides take turns and the best round of each counts: on a shared machine the others say more about neighbours.
    """
    deltas = [side.tick(SPOT) for side in sides]
    seconds: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        spot = SPOT + 0.01 * (1 + number % 7)
        for place, side in enumerate(sides):
            for _ in range(TICKS_A_TURN):
                began_s = time.perf_counter()
                side.tick(spot)
                seconds[place].append(time.perf_counter() - began_s)
                spot += 0.01
    return [(min(taken), delta) for taken, delta in zip(seconds, deltas, strict=True)]


def vollib(book: Book, rounds: int) -> tuple[float, Sequence[float]]:
    """The same of vollib, by a process in its own environment."""
    folder = ROOT / ".venv-bench"
    lock = ROOT / "requirements" / "bench.lock"
    made = [sys.executable, str(ROOT / "tools/desk/environment.py"), "--folder", str(folder), "--lock", str(lock)]
    subprocess.run([*made, "--packages"], check=True)
    asked = {"spot": SPOT, "rate": RATE, "q": 0.0, "rounds": rounds, "right": book.right}
    asked |= {"strike": book.strike.tolist(), "years": book.years.tolist(), "vol": book.vol.tolist()}
    peer = [str(folder / "bin" / "python"), str(ROOT / "bench" / "_vollib_peer.py")]
    done = subprocess.run(peer, input=json.dumps(asked), capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    return min(said["seconds"]), said["delta"]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench greeks")
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--record", action="store_true", help="keep the figures under docs/runs")
    given = parser.parse_args(arguments)
    book = Book.of(given.legs)
    calls, puts = part(book, "C"), part(book, "P")
    by_side = Book(
        np.concatenate([calls.strike, puts.strike]), np.concatenate([calls.days, puts.days]),
        np.concatenate([calls.vol, puts.vol]), calls.right + puts.right,
    )  # fmt: skip
    ahead = ((DIVIDEND[0] / 365.0, DIVIDEND[1]),)
    call_part = (Peer(calls, False, None), closed_form)
    books = {
        "European": [
            ours("bifrost", by_side, False),
            quantlib("QuantLib, analytic", [(Peer(by_side, False, None), closed_form)]),
        ],
        "American": [
            ours("bifrost", by_side, True),
            quantlib("QuantLib, QdFp fast scheme", [call_part, (Peer(puts, True, fast), by_differences)]),
            quantlib("QuantLib, tree of 101 steps", [call_part, (Peer(puts, True, tree), with_vega)]),
            quantlib("QuantLib, grid of 60 x 120", [call_part, (Peer(puts, True, differences), with_vega)]),
        ],
        "American, one dividend": [
            ours("bifrost", by_side, True, ahead),
            quantlib("QuantLib, grid of 60 x 120", [(Peer(by_side, True, differences_with_dividend), with_vega)]),
        ],
    }
    _report.heading(f"Greeks of a {given.legs}-leg book, one tick", PACKAGES)
    rows, kept, reached = [], [], True
    for title, sides in books.items():
        rounds = given.rounds if title == "European" else max(3, given.rounds // 4)
        results = measure(sides, rounds)
        named = [(side.name, *result) for side, result in zip(sides, results, strict=True)]
        if title == "European":
            named.append(("vollib", *vollib(by_side, max(3, given.rounds // 4))))
        mine_s, mine = named[0][1:]
        for name, seconds, deltas in named:
            apart = float(np.max(np.abs(np.array(deltas) - np.array(mine))))
            ratio = seconds / mine_s
            reached &= name == "bifrost" or ratio >= AIM
            rows.append([f"{title}: {name}", f"{1e3 * seconds:.2f}", f"{ratio:.1f}", f"{apart:.1e}"])
            kept.append({"book": title, "side": name, "ms": round(1e3 * seconds, 4), "ratio": round(ratio, 2)})
    _report.table(["", "ms a tick", "peer / ours", "delta apart"], rows)
    print(f"aim: every peer at least {AIM:g} times ours: {'reached' if reached else 'NOT reached'}")
    if given.record:
        _report.record("greeks", PACKAGES, {"legs": given.legs, "aim": AIM, "reached": reached, "figures": kept})
    return 0
