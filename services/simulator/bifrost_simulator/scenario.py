"""From a scenario's words to a world's contents: market, accounts, positions, fault script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bifrost.config import FaultAnchor, GeneratedMarket, Market, Scenario, ScenarioFault, relative_expiry_days
from bifrost.contract import ContractKey, contract_key, parse_contract_key

from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.faults import BadParameters, UnknownFault
from bifrost_simulator.faults.registry import make_fault
from bifrost_simulator.hours import Hours, new_york_day, new_york_s
from bifrost_simulator.market.base import Market as QuoteMarket
from bifrost_simulator.market.day_tape import MarketParameters
from bifrost_simulator.market.generated import GeneratedMarket as MadeMarket
from bifrost_simulator.market.replay import ReplayMarket
from bifrost_simulator.universe import Universe

_AFTER_EXPIRY_S = 60.0
_DEFAULT_YEAR = 365


class WorldError(ValueError):
    """A scenario that cannot become a world; the message names the value and what there is."""


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """A fault of the scenario with its market time resolved."""

    at_s: float
    name: str
    parameters: Mapping[str, Any]


def market_parameters(given: GeneratedMarket) -> MarketParameters:
    """The scenario's parameters, with a quiet liquid stock for what it leaves open."""

    def pick(value: float | None, default: float) -> float:
        return default if value is None else float(value)

    volatility = pick(given.volatility, 0.30)
    return MarketParameters(
        spot=pick(given.spot, 100.0),
        volatility=volatility,
        implied_volatility=pick(given.implied_volatility, volatility),
        skew=pick(given.skew, -0.1),
        drift=pick(given.drift, 0.0),
        rate=pick(given.rate, 0.05),
        dividend_yield=pick(given.dividend_yield, 0.0),
        spread_pct=pick(given.spread_pct, 0.015),
        jumps_per_day=pick(given.jumps_per_day, 1.0),
        jump_pct=pick(given.jump_pct, 0.2),
        halts_per_day=pick(given.halts_per_day, 0.0),
        halt_s=60.0 * pick(given.halt_minutes, 5.0),
        tick_s=pick(given.tick_s, 0.5),
        size_lots=int(pick(given.size_lots, 5)),
    )


def build_market(
    scenario: Scenario, hours: Hours, state: Mapping[str, Any], env: Mapping[str, str] | None = None
) -> QuoteMarket:
    """The scenario's market at its start; `state` is what an earlier run stored."""
    start_s = scenario.start_utc.timestamp()
    if scenario.market is Market.REPLAY:
        return ReplayMarket(scenario.data_folder(env), scenario.symbol, hours, start_s)
    market = MadeMarket(
        scenario.symbol,
        market_parameters(scenario.generated),
        scenario.seed,
        hours,
        start_s,
        state=dict(state),
    )
    market.last_s = _last_s(scenario, hours, [_resolve(scenario, p.contract_key, market) for p in _positions(scenario)])
    return market


def initial_accounts(scenario: Scenario, market: QuoteMarket, universe: Universe) -> dict[str, Account]:
    """Accounts as they are at the start; a cost that is not given is the first mark × multiplier."""
    accounts = {}
    for given in scenario.accounts:
        account = Account(given.id, given.cash)
        for position in given.positions:
            key = _resolve(scenario, position.contract_key, market)
            contract = universe.add(key)
            cost = position.avg_cost
            if cost is None:
                mark = market.first_mark(key)
                if mark is None:
                    raise WorldError(f"position {position.contract_key}: it is never quoted, so give its avg_cost")
                cost = mark * contract.multiplier_units
            account.holdings[contract.con_id] = Holding(contract, position.quantity, cost)
        accounts[given.id] = account
    return accounts


def fault_script(scenario: Scenario, hours: Hours) -> tuple[ScriptedFault, ...]:
    """The scenario's faults in the order of their market time; `WorldError` names one that cannot be."""
    start_s = scenario.start_utc.timestamp()
    for given in scenario.faults:
        try:
            make_fault(given.name, given.parameters)
        except (UnknownFault, BadParameters) as error:
            raise WorldError(f"faults: at {given.at}: {error}") from None
    script = [ScriptedFault(_fault_s(f, start_s, hours), f.name, f.parameters) for f in scenario.faults]
    return tuple(sorted(script, key=lambda fault: fault.at_s))


def _fault_s(fault: ScenarioFault, start_s: float, hours: Hours) -> float:
    anchor, offset = fault.when()
    day = new_york_day(start_s)
    if anchor is FaultAnchor.START:
        return start_s + offset
    if anchor is FaultAnchor.MIDNIGHT:
        return new_york_s(day, 0) + offset
    session = hours.session(day) or hours.after(day)
    return (session.open_s if anchor is FaultAnchor.OPEN else session.close_s) + offset


def _positions(scenario: Scenario) -> list[Any]:
    return [position for account in scenario.accounts for position in account.positions]


def _resolve(scenario: Scenario, text: str, market: QuoteMarket) -> ContractKey:
    """``NVDA|OPT|+28d|atm|C`` → the next listed expiry at least 28 days away, the listed strike nearest to spot."""
    symbol, kind, expiry, strike, right = text.split("|")
    if kind != "OPT":
        return parse_contract_key(text)
    listed = [key for key in market.chain() if key.right == right]
    days = relative_expiry_days(expiry)
    if days is not None:
        earliest = new_york_day(scenario.start_utc.timestamp()) + timedelta(days=days)
        later = sorted({key.expiry for key in listed if key.expiry_date >= earliest})
        if not later:
            raise WorldError(f"position {text}: no expiry is listed on or after {earliest}")
        expiry = later[0]
    strikes = sorted({key.strike for key in listed if key.expiry == expiry})
    if not strikes:
        known = ", ".join(sorted({key.expiry for key in listed}))
        raise WorldError(f"position {text}: expiry {expiry} is not listed; there are {known}")
    if strike == "atm":
        spot = market.quotes([contract_key(symbol, "STK")])[0].mark
        if spot is None:
            raise WorldError(f"position {text}: no quote of {symbol} at the start, so atm has no meaning")
        chosen = min(strikes, key=lambda listed_strike: abs(listed_strike - spot))
    else:
        chosen = float(strike)
        if chosen not in strikes:
            raise WorldError(f"position {text}: strike {strike} is not listed for {expiry}")
    return contract_key(symbol, "OPT", expiry, chosen, right)


def _last_s(scenario: Scenario, hours: Hours, keys: list[ContractKey]) -> float:
    """When a made market is over: after its sessions are used up, else after the last expiry held at the start."""
    start_s = scenario.start_utc.timestamp()
    if scenario.generated.days is not None:
        return _nth_session_end(hours, start_s, scenario.generated.days)
    expiries: list[date] = [key.expiry_date for key in keys if key.is_option]
    if not expiries:
        return start_s + _DEFAULT_YEAR * 86400.0
    return max(hours.last_trading_s(expiry) for expiry in expiries) + _AFTER_EXPIRY_S


def _nth_session_end(hours: Hours, start_s: float, count: int) -> float:
    day = new_york_day(start_s)
    session = hours.session(day)
    if session is None or session.close_s <= start_s:
        session = hours.after(day)
    for _ in range(count - 1):
        session = hours.after(session.day)
    return session.close_s
