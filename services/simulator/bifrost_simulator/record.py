"""Records a day of a made market as a LEAN folder, so that it can be replayed like any recorded day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bifrost.config import Market, Scenario
from bifrost.contract import ContractKey
from bifrost.tape import QuoteRow, TradeRow, write_lean_day

from bifrost_simulator.hours import NEW_YORK, Hours, MarketSession, new_york_day
from bifrost_simulator.scenario import WorldError, build_market

_BAR_S = 60.0
_BEFORE_END_S = 0.001  # the close of a minute is its last moment, not the first of the next


@dataclass(frozen=True, slots=True)
class Selection:
    """Which options are recorded: so many expiries from ``days`` away on, so many strikes on each side of spot."""

    days: int = 14
    expiries: int = 2
    strikes_each_side: int = 3


def record_day(scenario: Scenario, folder: Path, selection: Selection) -> list[Path]:
    """Write the exchange session of the scenario's start date; returns the files.

    Raises
    ------
    WorldError
        When the scenario replays a tape itself, or its date has no session.
    """
    if scenario.market is not Market.GENERATED:
        raise WorldError(f"scenario {scenario.name} has market {scenario.market}; only a generated one can be recorded")
    hours = Hours()
    day = new_york_day(scenario.start_utc.timestamp())
    session = hours.exchange_session(day)
    if session is None:
        raise WorldError(f"start {day}: the exchange is closed on that day")
    market = build_market(_at_open(scenario, session), hours, {})
    stock = ContractKey(scenario.symbol, "STK")
    spot = market.quotes([stock])[0].mark or 0.0
    keys = [stock, *_select(market.chain(), session, selection, spot)]
    quotes: dict[ContractKey, list[QuoteRow]] = {key: [] for key in keys}
    trades: dict[ContractKey, list[TradeRow]] = {stock: []}
    start_s = session.open_s
    while start_s < session.close_s:
        market.advance(start_s + _BAR_S - _BEFORE_END_S)
        for key, quote in zip(keys, market.quotes(keys), strict=True):
            quotes[key].append(QuoteRow(start_s, quote.bid, quote.bid_size, quote.ask, quote.ask_size))
        for bar in market.bars(stock, start_s, start_s + _BAR_S, _BAR_S, "TRADES"):
            row = TradeRow(start_s, bar.open, bar.high, bar.low, bar.close, bar.volume)
            trades[stock].append(row)
        start_s += _BAR_S
    return write_lean_day(folder, scenario.symbol, day, quotes, trades)


def _at_open(scenario: Scenario, session: MarketSession) -> Scenario:
    """The scenario beginning with the session instead of within it."""
    start = datetime.fromtimestamp(session.open_s, NEW_YORK).replace(tzinfo=None)
    return scenario.model_copy(update={"start": start, "always_open": False})


def _select(
    chain: Sequence[ContractKey], session: MarketSession, selection: Selection, spot: float
) -> list[ContractKey]:
    earliest = session.day + timedelta(days=selection.days)
    expiries = sorted({key.expiry for key in chain if key.expiry_date >= earliest})[: selection.expiries]
    strikes = sorted({key.strike for key in chain}, key=lambda strike: abs(strike - spot))
    near = frozenset(strikes[: 2 * selection.strikes_each_side + 1])
    chosen = [key for key in chain if key.expiry in expiries and key.strike in near]
    return sorted(chosen, key=lambda key: (key.expiry, key.strike, key.right))
