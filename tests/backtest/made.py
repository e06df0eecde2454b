"""A made market of one session: a stock that walks by chance and a straddle priced by Black–Scholes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost.config import load_config
from bifrost.contract import ContractKey, contract_key
from bifrost.tape import Publication
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.backtest.legs import Entry, Held
from bifrost_engine.backtest.market import Burst, QuotesInMemory
from bifrost_engine.backtest.outcome import Outcome
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.backtest.ticks import Tick
from bifrost_engine.domain.state import Rules

STOCK = contract_key("NVDA", "STK")
EXPIRY = "20260605"
CALL = contract_key("NVDA", "OPT", EXPIRY, 140.0, "C")
PUT = contract_key("NVDA", "OPT", EXPIRY, 140.0, "P")
DAY = date(2026, 5, 7)
LEGS = (Held(CALL, 20.0), Held(PUT, 20.0))


def rules(**keys: Any) -> Rules:
    """Rules from dotted keys; a rate of zero makes the European price the American one, and quick."""
    overrides: dict[str, object] = {"greeks.risk_free_rate": 0.0, "gates.guard.risk.paper_trade": False}
    overrides |= {name.replace("__", "."): value for name, value in keys.items()}
    loaded = load_config(None, env={}, overrides=overrides)
    return Rules(loaded.config, loaded.hash, TradingCalendar())


def black_scholes(spot: float, key: ContractKey, t_years: float, volatility: float) -> float:
    """Dollars a share at a rate of zero; written here once more, so that the desk's model is not its own witness."""
    spread = volatility * math.sqrt(t_years)
    d1 = math.log(spot / key.strike) / spread + spread / 2
    sign = 1.0 if key.right == "C" else -1.0
    normal = [0.5 * (1.0 + math.erf(sign * d / math.sqrt(2.0))) for d in (d1, d1 - spread)]
    return sign * (spot * normal[0] - key.strike * normal[1])


def quote(at_s: float, key: ContractKey, mid: float, half_spread: float, size: float) -> Publication:
    return Publication(at_s, key, round(mid - half_spread, 6), size, round(mid + half_spread, 6), size)


def bursts(
    seed: int,
    *,
    minutes: int = 390,
    step_s: float = 60.0,
    realized: float = 0.5,
    implied: float = 0.35,
    half_spread: float = 0.01,
    size: float = 500.0,
    day: date = DAY,
) -> Iterator[Burst]:
    """One session of quotes: volatilities are annual, time runs in seconds of 365 days as the desk counts it."""
    calendar, chance = TradingCalendar(), random.Random(seed)
    session = calendar.session(day)
    assert session is not None
    spot, at_s = 140.0, session.open_s
    ends_s = calendar.last_trading_moment_s(CALL.expiry_date)
    for _ in range(minutes):
        at_s += step_s
        dt = step_s / SECONDS_A_YEAR
        spot *= math.exp(realized * math.sqrt(dt) * chance.gauss(0.0, 1.0) - realized**2 * dt / 2)
        t_years = (ends_s - at_s) / SECONDS_A_YEAR
        price = {key: black_scholes(spot, key, t_years, implied) for key in (CALL, PUT)}
        yield Burst(
            at_s,
            (
                quote(at_s, STOCK, spot, half_spread, size),
                *(quote(at_s, key, price[key], half_spread, size) for key in (CALL, PUT)),
            ),
        )


def market(seed: int = 1, **more: Any) -> QuotesInMemory:
    return QuotesInMemory(STOCK, list(bursts(seed, **more)))


def run(
    seed: int = 1, model: FillModel | None = None, keys: dict[str, Any] | None = None, **more: Any
) -> tuple[Outcome, list[Tick]]:
    """One backtest of the made straddle, and its ticks."""
    ticks: list[Tick] = []
    made = BacktestRun(
        rules(**(keys or {})), market(seed, **more), Entry(LEGS), model or FillModel(), on_tick=ticks.append
    )
    return made.run(), ticks
