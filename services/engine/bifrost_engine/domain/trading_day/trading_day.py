"""The risk memory of one (account, mode, trading day): counters, marks, P&L, breaker, hold (engine.md section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey, parse_contract_key

from ..evolve import evolve
from ..execution.limits import above, at_least
from ..ledger.ledger import Ledger
from ..portfolio.marks import Marks
from ..rowtime import epoch_of, moment_of
from ..view import LastHedge
from ..words import Execution, Mode, Times
from . import attribution as attributions
from .attribution import Attribution, Booked
from .day_position import DayPosition

#: A database keeps microseconds: a time that comes back from it may be earlier by less than this than it was.
ROUNDING_S = 1e-3
#: The broker's clock and ours, both kept by NTP, may differ by this much.
BROKER_AHEAD_S = 5.0


@dataclass(frozen=True)
class TradingDay:
    """One trading day. ``*_market_s``: epoch seconds of the market's clock, ``*_wall_s`` of ours; P&L in dollars."""

    account: str
    mode: Mode
    day: date | None = None
    """None until market time is known."""
    positions: Mapping[ContractKey, DayPosition] = field(default_factory=dict)
    hedge_count: int = 0
    partial_day: bool = False
    """Some of the book had no mark of the day before: P&L begins with the first good marks of today."""
    dividends_usd: float = 0.0
    commissions_usd: float = 0.0
    breaker_market_s: float | None = None
    breaker_reason: str = ""
    breaker_reset_market_s: float | None = None
    breach_since_wall_s: float | None = None
    """The loss has stood at or beyond the limit since then."""
    loss_reference_usd: float = 0.0
    """Daily P&L from which the breaker measures: 0, or what stood when the operator reset it."""
    hold: str = ""
    hold_market_s: float | None = None
    hold_reason: str = ""
    last_hedge: LastHedge | None = None
    traded_shares: float = 0.0
    """Signed sum of the day's own executions in the stock, deliveries included."""
    traded_usd: float = 0.0
    """Those shares at the mids at which their orders were decided."""
    slippage_usd: float = 0.0
    """Σ q·(mid at decision − fill) of the day's orders: negative is a cost."""
    attribution: Attribution = field(default_factory=Attribution)

    @property
    def realized_usd(self) -> float:
        """Realised today against day-start marks, dividends included, gross of commissions."""
        return self.dividends_usd + sum(position.realized_usd for position in self.positions.values())

    @property
    def unrealized_usd(self) -> float:
        """Open quantity against its basis, at last good marks."""
        return sum(position.unrealized_usd for position in self.positions.values())

    @property
    def daily_pnl_usd(self) -> float:
        """Realised + unrealised − commissions."""
        return self.realized_usd + self.unrealized_usd - self.commissions_usd

    @property
    def breaker_latched(self) -> bool:
        """The daily-loss breaker has tripped and nobody has reset it."""
        return self.breaker_market_s is not None and self.breaker_reset_market_s is None

    @property
    def booked(self) -> Booked:
        """What the attribution of the day's P&L is built on."""
        return Booked(
            self.daily_pnl_usd,
            self.commissions_usd,
            self.dividends_usd,
            self.slippage_usd,
            self.traded_shares,
            self.traded_usd,
            sum(position.quantity for key, position in self.positions.items() if key.is_stock),
        )

    def as_row(self) -> dict[str, object]:
        """Columns of `trading_days`: times as aware UTC datetimes, marks as mappings ready for JSON."""
        return {
            "account": self.account,
            "mode": str(self.mode),
            "trading_day": self.day,
            "hedge_count": self.hedge_count,
            "day_start_marks": self._start_marks(),
            "partial_day": self.partial_day,
            "realized_pnl": self.realized_usd,
            "unrealized_pnl": self.unrealized_usd,
            "commissions": self.commissions_usd,
            "daily_pnl": self.daily_pnl_usd,
            "last_marks": {str(key): _position_row(position) for key, position in self.positions.items()},
            "breaker_at": moment_of(self.breaker_market_s),
            "breaker_reason": self.breaker_reason or None,
            "breaker_reset_at": moment_of(self.breaker_reset_market_s),
            "hold": self.hold or None,
            "hold_since": moment_of(self.hold_market_s),
            "hold_reason": self.hold_reason or None,
            "last_hedge": _hedge_row(self.last_hedge),
            "attribution": self.attribution.as_row(self.booked),
        }

    def _start_marks(self) -> dict[str, object]:
        marks = {
            str(key): {"quantity": position.start_quantity, "mark": position.start_mark}
            for key, position in self.positions.items()
        }
        return {"marks": marks, "loss_reference_usd": self.loss_reference_usd}


def _position_row(position: DayPosition) -> dict[str, object]:
    return {
        "multiplier": position.multiplier,
        "quantity": position.quantity,
        "basis": position.basis,
        "realized_usd": position.realized_usd,
        "mark": position.mark,
    }


def _hedge_row(last: LastHedge | None) -> dict[str, object] | None:
    if last is None:
        return None
    return {
        "market_s": last.market_s,
        "spot": last.spot,
        "delta_shares": last.delta_shares,
        "gamma_shares": last.gamma_shares,
        "residue": last.residue,
    }


def from_row(row: Mapping[str, Any], at: Times) -> tuple[TradingDay, tuple[str, ...]]:
    """The day as stored, and notes for alerts: ``clock_regression`` when the last hedge is later than now (ignored)."""
    start = row.get("day_start_marks") or {}
    starts = start.get("marks") or {}
    positions = {
        parse_contract_key(text): DayPosition(
            multiplier=stored["multiplier"],
            start_quantity=(starts.get(text) or {}).get("quantity") or 0.0,
            start_mark=(starts.get(text) or {}).get("mark"),
            quantity=stored["quantity"],
            basis=stored["basis"],
            realized_usd=stored["realized_usd"],
            mark=stored["mark"],
        )
        for text, stored in (row.get("last_marks") or {}).items()
    }
    stored_day, last = row["trading_day"], row.get("last_hedge")
    day = TradingDay(
        account=row["account"],
        mode=Mode(row["mode"]),
        day=date.fromisoformat(stored_day) if isinstance(stored_day, str) else stored_day,
        positions=positions,
        hedge_count=row.get("hedge_count") or 0,
        partial_day=bool(row.get("partial_day")),
        dividends_usd=(row.get("realized_pnl") or 0.0) - sum(position.realized_usd for position in positions.values()),
        commissions_usd=row.get("commissions") or 0.0,
        breaker_market_s=epoch_of(row.get("breaker_at")),
        breaker_reason=row.get("breaker_reason") or "",
        breaker_reset_market_s=epoch_of(row.get("breaker_reset_at")),
        loss_reference_usd=start.get("loss_reference_usd") or 0.0,
        hold=row.get("hold") or "",
        hold_market_s=epoch_of(row.get("hold_since")),
        hold_reason=row.get("hold_reason") or "",
        last_hedge=LastHedge(**last) if last else None,
        attribution=attributions.from_row(row.get("attribution")),
    )
    return without_future_hedge(day, at)


def without_future_hedge(day: TradingDay, at: Times) -> tuple[TradingDay, tuple[str, ...]]:
    """A last hedge later than now is a clock that went back: dropped, with a note to record (section 5)."""
    last = day.last_hedge
    if last is None or at.market_s is None or last.market_s <= at.market_s + ROUNDING_S:
        return day, ()
    note = f"clock_regression: last hedge {moment_of(last.market_s)} is later than now, {moment_of(at.market_s)}"
    return evolve(day, last_hedge=None), (note,)


def without_future_fill(filled_s: float | None, at: Times) -> tuple[float | None, str]:
    """The same of the last own fill, market seconds, from which the cooldown counts. The note is empty when it stands.

    The broker's clock dates it: where that runs a little ahead of ours the fill happened now, not never.
    """
    if filled_s is None or at.market_s is None:
        return filled_s, ""
    if filled_s <= at.market_s + BROKER_AHEAD_S:
        return min(filled_s, at.market_s), ""
    return None, f"clock_regression: last fill {moment_of(filled_s)} is later than now, {moment_of(at.market_s)}"


def replay_own(
    day: TradingDay, executions: Iterable[Execution], costs: Mapping[str, float], calendar: TradingCalendar
) -> TradingDay:
    """Work the day's own executions in again from day start: after a restart, or when a correction supersedes one.

    ``executions`` are all of the ledger's that count; those of other trading days only make up the quantity.
    """
    totals: defaultdict[ContractKey, float] = defaultdict(float)
    multipliers: dict[ContractKey, float] = {}
    commissions, today = 0.0, []
    for execution in executions:
        totals[execution.key] += execution.signed_quantity
        multipliers[execution.key] = execution.multiplier
        if day.day is not None and calendar.trading_day_s(execution.time_s) == day.day:
            today.append(execution)
            commissions += costs.get(execution.exec_id, 0.0)
    for key in totals.keys() & day.positions.keys():
        day = _with(day, key, day.positions[key].restarted())
    day = evolve(day, traded_shares=0.0, traded_usd=0.0, slippage_usd=0.0)
    for execution in today:
        day = _executed(day, execution)
    for key, total in totals.items():
        day = align(day, key, total, multipliers[key])
    return evolve(day, commissions_usd=commissions) if today else day


def _executed(day: TradingDay, execution: Execution) -> TradingDay:
    """A trade at its price, measured from the mid at which it was decided: the difference is slippage.

    Shares that an exercise delivers had no decision: they count from the mid of their delivery, and what the strike
    differs from it stands against the value of the leg that went.
    """
    shares = execution.signed_quantity
    day = trade(day, execution.key, shares, execution.price, execution.multiplier)
    if not execution.key.is_stock:
        return day
    mid = execution.mid_at_decision if execution.mid_at_decision is not None else execution.price
    return evolve(
        day,
        traded_shares=day.traded_shares + shares,
        traded_usd=day.traded_usd + shares * mid,
        slippage_usd=day.slippage_usd + (shares * (mid - execution.price) if execution.order_ref else 0.0),
    )


def align(day: TradingDay, key: ContractKey, quantity: float, multiplier: float) -> TradingDay:
    """Make the book hold ``quantity`` of ``key``: a difference that no trade of today explains joins at its mark."""
    position = day.positions.get(key, DayPosition(multiplier))
    difference = quantity - position.quantity
    if abs(difference) < 1e-9:
        return day
    return replace(_with(day, key, position.joined(difference, None)), partial_day=True)


def roll(day: TradingDay, at: Times, config: Config, calendar: TradingCalendar, stock: ContractKey) -> TradingDay:
    """The trading day of ``at``: the same one, or the next with day-start = last good marks, hold carried over."""
    if at.market_s is None:
        return day
    today = calendar.trading_day_s(at.market_s)
    if day.day is None:
        return evolve(day, day=today, partial_day=True)
    if today <= day.day:
        return day
    held = {key: position for key, position in day.positions.items() if not position.flat}
    # Marks of an earlier day than the last trading day say nothing about where today began: an engine that was away
    # for days starts today's P&L at the first good marks.
    away = day.day < _trading_day_before(today, calendar)
    positions = {key: position.unmarked() if away else position.next_day() for key, position in held.items()}
    shares = positions[stock].quantity if stock in positions else 0.0
    return TradingDay(
        account=day.account,
        mode=day.mode,
        day=today,
        positions=positions,
        partial_day=any(position.mark is None for position in positions.values()),
        dividends_usd=0.0 if away else shares * _dividends_between(day.day, today, config),
        hold=day.hold,
        hold_market_s=day.hold_market_s,
        hold_reason=day.hold_reason,
        last_hedge=day.last_hedge,
        attribution=Attribution() if away else attributions.next_day(day.attribution),
    )


def _trading_day_before(today: date, calendar: TradingCalendar) -> date:
    return today - timedelta(days=1) if calendar.always_open else calendar.previous_session(today).day


def _dividends_between(before: date, today: date, config: Config) -> float:
    """Dollars a share that went ex after ``before``, up to and including ``today``."""
    return sum(dividend.amount_usd for dividend in config.greeks.dividends if before < dividend.ex_date <= today)


def _with(day: TradingDay, key: ContractKey, position: DayPosition) -> TradingDay:
    attribution = day.attribution
    if key.is_option and not attribution.changed:
        # A leg comes, goes or changes: the greeks at the start of the interval are no longer those of the book.
        attribution = evolve(attribution, changed=True)
    return evolve(day, positions={**day.positions, key: position}, attribution=attribution)


def mark_to_market(day: TradingDay, marks: Marks) -> TradingDay:
    """Take over good marks; a position without a basis gets it from its first good mark."""
    changed = {
        key: position.marked(marks[key])
        for key, position in day.positions.items()
        if key in marks and (marks[key] != position.mark or (position.basis is None and not position.flat))
    }
    return evolve(day, positions={**day.positions, **changed}) if changed else day


def trade(day: TradingDay, key: ContractKey, signed_quantity: float, price: float, multiplier: float) -> TradingDay:
    """A quantity of the book changed at an execution price (exercise: the leg at 0, the stock at the strike)."""
    position = day.positions.get(key, DayPosition(multiplier))
    return _with(day, key, position.traded(signed_quantity, price))


def book_fill(
    day: TradingDay, execution: Execution, before: Ledger, after: Ledger, calendar: TradingCalendar
) -> TradingDay:
    """An execution just folded into the ledger: a trade, or a correction after which the day is worked in again."""
    if after.superseded != before.superseded:
        return replay_own(day, after.counted(), after.commissions, calendar)
    if execution.exec_id in after.superseded:
        return day
    return _executed(day, execution)


def add_commission(day: TradingDay, commission_usd: float) -> TradingDay:
    """A commission of the day, dollars; negative for a rebate."""
    return evolve(day, commissions_usd=day.commissions_usd + commission_usd)


def take_in(day: TradingDay, key: ContractKey, quantity: float, multiplier: float, mark: float | None) -> TradingDay:
    """Adoption: ``quantity`` joins the book at the current mark, without P&L."""
    position = day.positions.get(key, DayPosition(multiplier))
    if mark is None and position.flat:
        # The mark of an earlier stay in the book is not the current one.
        position = replace(position, mark=None)
    return _with(day, key, position.joined(quantity, mark))


def let_go(day: TradingDay, key: ContractKey, mark: float | None) -> TradingDay:
    """Release: the whole position leaves at the current mark (last good one when None)."""
    position = day.positions.get(key)
    if position is None or position.flat:
        return day
    return _with(day, key, position.joined(-position.quantity, mark))


def change_multiplier(day: TradingDay, key: ContractKey, multiplier: float, mark: float | None) -> TradingDay:
    """A corporate action: the position leaves at its mark under the old multiplier and comes back under the new one."""
    position = day.positions.get(key)
    if position is None:
        return day
    quantity = position.quantity
    left = let_go(day, key, mark).positions[key]
    return _with(day, key, replace(left, multiplier=multiplier).joined(quantity, mark))


def assess_breaker(day: TradingDay, at: Times, config: Config) -> tuple[TradingDay, bool]:
    """Latch the breaker when the loss has stood for `breaker_confirm_s`. The second value is True when it latches now.

    P&L is built on good marks only, so a bad print neither trips it nor hides a loss that stands.
    """
    risk = config.gates.guard.risk
    pnl_usd = day.daily_pnl_usd - day.loss_reference_usd
    if day.breaker_latched or above(pnl_usd, -risk.max_daily_loss_usd):
        return (day if day.breach_since_wall_s is None else evolve(day, breach_since_wall_s=None)), False
    since_s = day.breach_since_wall_s if day.breach_since_wall_s is not None else at.wall_s
    if not at_least(at.wall_s - since_s, risk.breaker_confirm_s):
        return (day if day.breach_since_wall_s is not None else evolve(day, breach_since_wall_s=since_s)), False
    reason = f"daily P&L {day.daily_pnl_usd:,.2f} USD, limit -{risk.max_daily_loss_usd:,.2f} USD"
    if day.loss_reference_usd:
        reason += f" below the {day.loss_reference_usd:,.2f} USD at which it was reset"
    latched_s = at.market_s if at.market_s is not None else at.wall_s
    return evolve(
        day,
        breaker_market_s=latched_s,
        breaker_reason=reason,
        breaker_reset_market_s=None,
        breach_since_wall_s=None,
    ), True


def reset_breaker(day: TradingDay, at: Times) -> TradingDay:
    """Release the breaker; a further loss of `max_daily_loss_usd` from here latches it again."""
    reset_s = at.market_s if at.market_s is not None else at.wall_s
    return evolve(day, breaker_reset_market_s=reset_s, loss_reference_usd=day.daily_pnl_usd, breach_since_wall_s=None)


def hold(day: TradingDay, at: Times, why: str, reason: str) -> TradingDay:
    """Latch hedging off (``why`` = flatten); carried into each new trading day until `unhold`."""
    since_s = at.market_s if at.market_s is not None else at.wall_s
    return evolve(day, hold=why, hold_market_s=since_s, hold_reason=reason)


def unhold(day: TradingDay) -> TradingDay:
    """Resume: hedging may go on."""
    return evolve(day, hold="", hold_market_s=None, hold_reason="")
