"""What an engine takes over from its earlier life: ledger, counters, latches and orders whose end nobody wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bifrost.contract import ContractKey, contract_key

from ..market.market import MarketBook
from ..portfolio import portfolio
from ..portfolio.portfolio import Leg
from ..state import OrderInFlight, Rules, State
from ..trading_day import trading_day
from ..trading_day.trading_day import TradingDay
from ..view import LastHedge
from ..words import BrokerPosition, Execution, Mode, OrderIntent, Purpose, Times
from . import ledger as ledgers
from .ledger import Ledger


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent whose end is not recorded: at start it is UNKNOWN until a probe has found out."""

    intent: OrderIntent
    state: str
    order_id: int
    perm_id: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What an engine must know before it may trade again, read from the database after the spool was replayed."""

    account: str
    mode: Mode
    executions: tuple[Execution, ...] = ()
    """Own and synthetic executions of (account, mode), all of them, oldest first."""
    live_executions: tuple[Execution, ...] = ()
    """In paper mode only: the live ledger, which is what the broker's positions are compared with."""
    external_exec_ids: frozenset[str] = frozenset()
    """Executions of others already recorded; they are not recorded twice."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Commission in dollars by exec_id."""
    open_intents: tuple[OpenIntent, ...] = ()
    hedges_ended_s: tuple[float, ...] = ()
    """Market times of the hedges that the broker took and whose end is recorded, of the newest trading day at least."""
    trading_day: Mapping[str, object] | None = None
    """Newest row of `trading_days` of (account, mode)."""
    legs: tuple[Mapping[str, object], ...] = ()
    """Rows of `managed_legs`, released ones included."""
    baseline: Mapping[str, object] | None = None
    """Row of `external_baseline` of the symbol."""
    sequence: range = range(0)
    """Reserved block of decision numbers, none of them ever used."""
    last_market_s: float | None = None
    """Market time of the newest status row: until the clock answers, time is known to be no earlier."""
    positions: tuple[BrokerPosition, ...] = ()
    """Last positions stored; shown with their age until the broker answers, never traded on."""


def initial_state(restored: Restored, rules: Rules, at: Times) -> tuple[State, tuple[str, ...]]:
    """The state an engine starts with, and notes worth an alert (a clock that went back, for one).

    Nothing is trusted that only the broker can know: positions, link and reconciliation start unknown.
    """
    now = at if at.market_s is not None else Times(at.wall_s, restored.last_market_s)
    stock = contract_key(rules.config.symbol, "STK")
    ledger = ledgers.fold_all(restored.executions, restored.costs)
    live = ledger if restored.mode is Mode.LIVE else ledgers.fold_all(restored.live_executions, restored.costs)
    legs = {leg.key: leg for leg in map(Leg.from_row, restored.legs)}
    in_flight = tuple(_in_flight(entry, ledger) for entry in restored.open_intents)
    day, notes = _day(restored, ledger, legs, rules, now)
    last_fill_s, note = trading_day.without_future_fill(_newest_fill_s(ledger), now)
    notes += (note,) if note and not notes else ()
    day = _counted(day, restored.hedges_ended_s, in_flight, rules)
    notes += _reach(legs, rules)
    baseline = restored.baseline
    return (
        State(
            account=restored.account,
            mode=restored.mode,
            stock=stock,
            book=MarketBook(stock),
            ledger=ledger,
            live_ledger=live,
            day=day,
            legs=legs,
            external_shares=float(str(baseline["shares"])) if baseline is not None else None,
            external_confirmed=baseline is not None and baseline.get("origin") == "confirmed",
            external_seen=restored.external_exec_ids,
            restored=in_flight,
            last_fill_s=last_fill_s,
            sequence_next=restored.sequence.start,
            sequence_stop=restored.sequence.stop,
            started_s=at.wall_s,
            trading_since_s=at.wall_s,
            hedge_since_s=at.wall_s,
        ),
        notes,
    )


def _reach(legs: Mapping[ContractKey, Leg], rules: Rules) -> tuple[str, ...]:
    """The start-up warning of section 8: the legs could ask for more shares than the limit allows."""
    warning = portfolio.reach_warning(legs, rules.config)
    return (f"limit_below_reach: {warning}",) if warning else ()


def _day(
    restored: Restored, ledger: Ledger, legs: Mapping[ContractKey, Leg], rules: Rules, at: Times
) -> tuple[TradingDay, tuple[str, ...]]:
    """The stored day with everything worked in that a crash may have kept out of its row."""
    day, notes = TradingDay(restored.account, restored.mode), tuple[str, ...]()
    if restored.trading_day is not None:
        day, notes = trading_day.from_row(restored.trading_day, at)
        day = trading_day.replay_own(day, ledger.counted(), restored.costs, rules.calendar)
    for key, holding in ledger.holdings.items():
        day = trading_day.align(day, key, holding.quantity, 1.0)
    for leg in portfolio.managed(legs):
        day = trading_day.align(day, leg.key, leg.quantity, leg.multiplier)
    own = [e for e in ledger.counted() if e.key.is_stock and e.order_ref]
    newest = max(own, key=lambda e: e.time_s, default=None)
    if newest is not None and (day.last_hedge is None or day.last_hedge.market_s < newest.time_s):
        # Killed between the fill and its reference: what is known of it stands in.
        clock_ok = at.market_s is None or newest.time_s <= at.market_s
        if clock_ok:
            day = replace(day, last_hedge=LastHedge(newest.time_s, newest.price, 0.0, 0.0, residue=False))
    return day, notes


def _newest_fill_s(ledger: Ledger) -> float | None:
    """Market time of the last fill of an order of ours, whatever became of the order."""
    return max((e.time_s for e in ledger.counted() if e.key.is_stock and e.order_ref), default=None)


def _counted(
    day: TradingDay, ended_s: tuple[float, ...], in_flight: tuple[OrderInFlight, ...], rules: Rules
) -> TradingDay:
    """The day's count by the intents: a kill between an order's acknowledgement and the day's row loses no order."""
    taken = [order.intent.at.market_s for order in in_flight if order.counted and order.intent.purpose is Purpose.HEDGE]
    days = [rules.calendar.trading_day_s(at_s) for at_s in (*ended_s, *taken) if at_s is not None]
    return replace(day, hedge_count=max(day.hedge_count, sum(taken_on == day.day for taken_on in days)))


def _in_flight(entry: OpenIntent, ledger: Ledger) -> OrderInFlight:
    intent = entry.intent
    filled = round(ledger.fills(intent.order_ref).quantity)
    known = entry.state == "working" or entry.perm_id > 0 or filled > 0
    return OrderInFlight(
        intent,
        order_type=intent.order_type,
        limit_price=intent.limit_price,
        order_id=entry.order_id,
        perm_id=entry.perm_id,
        filled=filled,
        acknowledged=known,
        counted=known,
        ending="filled" if filled >= intent.quantity else "",
    )
