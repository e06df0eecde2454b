"""From rows to figures: counts, costs, P&L and time in each state, per period and over all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .money import ZERO, Distribution, cents, dec, distribution
from .periods import Period, Window
from .rows import HEDGE, DayRow, FillRow, Recorded, StateSpan
from .trips import RoundTrip, counting, round_trips

_MACHINES = ("daemon", "trading", "hedge")
_UNRECORDED = "not recorded"
_BASIS_POINTS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Slippage:
    """What was paid against the mid at decision: positive is a cost, negative an improvement."""

    fills: int
    without_mid: int
    """Fills whose mid at decision is not known: they are counted here and in no amount."""
    total_usd: Decimal
    traded_usd: Decimal
    """Value of the fills at the mid at decision."""
    per_fill: Distribution

    @property
    def bps(self) -> float | None:
        """Of the value traded; None without any."""
        return float(self.total_usd / self.traded_usd * _BASIS_POINTS) if self.traded_usd else None


@dataclass(frozen=True, slots=True)
class TimeIn:
    """Market seconds in a state, in the exchange's sessions and outside."""

    session_s: float = 0.0
    outside_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in some trading days."""

    hedges: int
    """Hedge orders that had at least one fill; each counts once, when it first filled."""
    hedge_shares: Decimal
    flattens: int
    """The same of flatten and unwind orders."""
    intents: int
    orders_sent: int
    rejects: int
    cancels: int
    slippage: Slippage
    commissions_usd: Decimal
    commissions_missing: int
    """Fills whose commission the broker has not reported."""
    pnl_usd: Decimal
    partial_days: int
    """Days whose P&L begins with the first good marks of the day."""
    by_day: Distribution
    by_round_trip: Distribution
    evaluations: int
    blocked: Mapping[str, int]
    """Evaluations by the reason that blocked a wanted hedge."""
    states: Mapping[str, Mapping[str, TimeIn]]
    """Machine → state → time."""


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    period: Period
    figures: Figures


@dataclass(frozen=True, slots=True)
class FillCost:
    """One fill against the mid at decision."""

    fill: FillRow
    slippage_usd: Decimal | None
    slippage_bps: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The answer of `bifrost stats` and GET /stats."""

    account: str
    mode: str
    window: Window
    periods: tuple[PeriodFigures, ...]
    total: Figures
    fills: tuple[FillCost, ...]


@dataclass(slots=True)
class _Share:
    """What falls into one period."""

    operations: Counter[tuple[str, bool]] = field(default_factory=Counter)
    fills: list[FillRow] = field(default_factory=list)
    first_fills: list[FillRow] = field(default_factory=list)
    """The first fill of each order."""
    days: list[DayRow] = field(default_factory=list)
    trips: list[RoundTrip] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    states: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))


def statistics(recorded: Recorded, window: Window) -> Statistics:
    """The figures of ``recorded`` in each period of ``window`` and in all of it."""
    shares = [_Share() for _ in window.periods]
    _deal_operations(recorded, window, shares)
    _deal_fills(recorded, window, shares)
    for day in recorded.days:
        index = window.index_of(day.day)
        if index is not None:
            shares[index].days.append(day)
    for block in recorded.blocks:
        index = window.index_at(block.minute_s)
        if index is not None:
            shares[index].reasons[block.reason] += block.count
    for span in recorded.spans:
        _deal_span(span, window, shares)
    periods = tuple(PeriodFigures(p, _figures([share])) for p, share in zip(window.periods, shares, strict=True))
    fills = tuple(cost_of(fill) for share in shares for fill in share.fills)
    return Statistics(recorded.account, recorded.mode, window, periods, _figures(shares), fills)


def _deal_operations(recorded: Recorded, window: Window, shares: Sequence[_Share]) -> None:
    for operation in recorded.operations:
        index = window.index_at(operation.ts_s)
        if index is not None:
            shares[index].operations[operation.type, operation.purpose == HEDGE] += 1


def _deal_fills(recorded: Recorded, window: Window, shares: Sequence[_Share]) -> None:
    fills = counting(recorded.fills)
    seen: set[str] = set()
    for fill in fills:
        index = window.index_at(fill.ts_s)
        first = bool(fill.order_ref) and fill.order_ref not in seen
        seen.add(fill.order_ref)
        if index is not None:
            shares[index].fills.append(fill)
            if first:
                shares[index].first_fills.append(fill)
    for trip in round_trips(fills):
        index = window.index_at(trip.closed_s)
        if index is not None:
            shares[index].trips.append(trip)


def _deal_span(span: StateSpan, window: Window, shares: Sequence[_Share]) -> None:
    start_s, stop_s = max(span.start_s, window.start_s), min(span.stop_s, window.stop_s)
    while start_s < stop_s:
        index = window.index_at(start_s)
        if index is None:
            return
        period = window.periods[index]
        end_s = min(stop_s, period.stop_s)
        inside_s = _in_session_s(period, start_s, end_s, window)
        for machine in _MACHINES:
            state = getattr(span, machine) or "unknown" if span.recorded else _UNRECORDED
            times = shares[index].states[machine, state]
            times[0] += inside_s
            times[1] += end_s - start_s - inside_s
        start_s = end_s


def _in_session_s(period: Period, start_s: float, stop_s: float, window: Window) -> float:
    """Seconds of the span that lie in sessions of the period."""
    if window.calendar.always_open:
        return stop_s - start_s
    inside = 0.0
    for session in window.calendar.sessions_between(period.days[0], period.days[-1]):
        inside += max(0.0, min(stop_s, session.close_s) - max(start_s, session.open_s))
    return inside


def cost_of(fill: FillRow) -> FillCost:
    """Slippage of one fill: signed quantity · (price − mid at decision) · multiplier, dollars."""
    if fill.mid is None:
        return FillCost(fill, None, None)
    mid, units = dec(fill.mid), dec(fill.quantity) * dec(fill.multiplier)
    paid = fill.sign * (dec(fill.price) - mid)
    bps = float(paid / mid * _BASIS_POINTS) if mid else None
    return FillCost(fill, paid * units, bps)


def _figures(shares: Sequence[_Share]) -> Figures:
    fills = [fill for share in shares for fill in share.fills]
    first = [fill for share in shares for fill in share.first_fills]
    hedge_fills = [fill for fill in fills if fill.purpose == HEDGE]
    days = [day for share in shares for day in share.days]
    operations: Counter[tuple[str, bool]] = sum((share.operations for share in shares), Counter())
    reasons: Counter[str] = sum((share.reasons for share in shares), Counter())
    day_pnl = [dec(day.pnl_usd) for day in days]
    return Figures(
        hedges=sum(1 for fill in first if fill.purpose == HEDGE),
        hedge_shares=sum((dec(fill.quantity) for fill in hedge_fills), ZERO),
        flattens=sum(1 for fill in first if fill.purpose and fill.purpose != HEDGE),
        intents=operations["hedge_intent", True],
        orders_sent=operations["order_sent", True],
        rejects=operations["reject", True] + operations["reject", False],
        cancels=operations["cancel", True] + operations["cancel", False],
        slippage=_slippage(fills),
        commissions_usd=sum((dec(fill.commission) for fill in fills if fill.commission is not None), ZERO),
        commissions_missing=sum(1 for fill in _traded(fills) if fill.commission is None),
        pnl_usd=sum(day_pnl, ZERO),
        partial_days=sum(1 for day in days if day.partial),
        by_day=distribution(day_pnl),
        by_round_trip=distribution([trip.pnl_usd for share in shares for trip in share.trips]),
        evaluations=sum(reasons.values()),
        blocked=_blocked(reasons),
        states=_states(shares),
    )


def _traded(fills: Iterable[FillRow]) -> list[FillRow]:
    """Without shares delivered by exercise or assignment: they met no market, so they have no slippage and no fee."""
    return [fill for fill in fills if not fill.exec_id.startswith("exer:")]


def _slippage(fills: Iterable[FillRow]) -> Slippage:
    traded = _traded(fills)
    known = [fill for fill in traded if fill.mid is not None]
    amounts = [cost.slippage_usd for cost in map(cost_of, known) if cost.slippage_usd is not None]
    value = sum((dec(fill.mid or 0.0) * dec(fill.quantity) * dec(fill.multiplier) for fill in known), ZERO)
    return Slippage(len(traded), len(traded) - len(known), sum(amounts, ZERO), value, distribution(amounts))


def _blocked(reasons: Mapping[str, int]) -> dict[str, int]:
    prefix = "blocked:"
    found = {reason.removeprefix(prefix): count for reason, count in reasons.items() if reason.startswith(prefix)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _states(shares: Sequence[_Share]) -> dict[str, dict[str, TimeIn]]:
    found: dict[str, dict[str, TimeIn]] = {machine: {} for machine in _MACHINES}
    for share in shares:
        for (machine, state), (session_s, outside_s) in share.states.items():
            known = found[machine].get(state, TimeIn())
            found[machine][state] = TimeIn(known.session_s + session_s, known.outside_s + outside_s)
    return {machine: dict(sorted(states.items())) for machine, states in found.items()}


def as_dict(figures: Figures) -> dict[str, object]:
    """Figures as JSON shows them: dollars to the cent, seconds to the millisecond."""
    slippage = figures.slippage
    return {
        "hedges": figures.hedges,
        "hedge_shares": float(figures.hedge_shares),
        "flattens": figures.flattens,
        "intents": figures.intents,
        "orders_sent": figures.orders_sent,
        "rejects": figures.rejects,
        "cancels": figures.cancels,
        "fills": slippage.fills,
        "fills_without_mid": slippage.without_mid,
        "slippage_usd": cents(slippage.total_usd),
        "slippage_bps": None if slippage.bps is None else round(slippage.bps, 4),
        "slippage_per_fill": slippage.per_fill.as_dict(),
        "commissions_usd": cents(figures.commissions_usd),
        "commissions_missing": figures.commissions_missing,
        "pnl_usd": cents(figures.pnl_usd),
        "partial_days": figures.partial_days,
        "pnl_by_day": figures.by_day.as_dict(),
        "pnl_by_round_trip": figures.by_round_trip.as_dict(),
        "evaluations": figures.evaluations,
        "blocked": dict(figures.blocked),
        "states": {
            machine: {
                state: {"session_s": round(time.session_s, 3), "outside_s": round(time.outside_s, 3)}
                for state, time in states.items()
            }
            for machine, states in figures.states.items()
        },
    }
