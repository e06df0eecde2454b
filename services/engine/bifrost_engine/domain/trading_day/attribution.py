"""Where the P&L of a day came from: delta, gamma, theta, vega, slippage, costs (engine.md section 5, "Attribution").

Each interval is worked with the greeks at its start (a second-order Taylor expansion of the book in spot and time,
first-order in each leg's own volatility); what the expansion does not explain is the residual, so the parts always add
up to the change of the day's P&L. An interval ends with the last good marks of a market minute, at once when a leg
comes or goes, and the night is one interval, from the last good marks before it to the first complete ones after it.

Shares traded inside an interval count from the mid at which their order was decided: how far the fill was from that mid
is slippage, whatever spot did afterwards is delta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from bifrost.contract import ContractKey, parse_contract_key

from ..evolve import evolve
from ..portfolio.figures import Exposure

DAY_S = 86400.0
MINUTE_S = 60.0
#: After the opening the night's interval waits this long for marks of every leg (market seconds).
OPENING_S = 300.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Contributions to P&L in dollars: a cost is negative. Their sum is the P&L of the interval or the day."""

    delta: float = 0.0
    gamma: float = 0.0
    theta: float = 0.0
    vega: float = 0.0
    slippage: float = 0.0
    commissions: float = 0.0
    dividends: float = 0.0
    """On own shares, on the ex-date."""
    residual: float = 0.0

    @property
    def total(self) -> float:
        greeks = self.delta + self.gamma + self.theta + self.vega
        return greeks + self.slippage + self.commissions + self.dividends + self.residual

    def __add__(self, other: Parts) -> Parts:
        return Parts(*(getattr(self, part) + getattr(other, part) for part in PARTS))

    def as_row(self) -> dict[str, float]:
        """Dollars by name of the part, the total last."""
        return {part: getattr(self, part) for part in PARTS} | {"total": self.total}


PARTS = tuple(field.name for field in fields(Parts))


class LegVega(Protocol):
    """What attribution needs of a leg: a row of the exposure, or what was stored of one."""

    @property
    def key(self) -> ContractKey: ...
    @property
    def quantity(self) -> float: ...
    @property
    def multiplier(self) -> float: ...
    @property
    def vega_usd_per_vol(self) -> float: ...
    @property
    def iv_annual(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class StoredLeg:
    """A leg of a stored picture; units as in `LegExposure`."""

    key: ContractKey
    quantity: float
    multiplier: float
    vega_usd_per_vol: float
    iv_annual: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """Spot, book and greeks at one moment of good marks."""

    market_s: float
    spot: float
    option_delta_shares: float
    gamma_shares: float
    """Shares per dollar of the underlying."""
    theta_usd_per_day: float
    legs: Sequence[LegVega]

    def as_row(self) -> dict[str, object]:
        return {
            "market_s": self.market_s,
            "spot": self.spot,
            "option_delta_shares": self.option_delta_shares,
            "gamma_shares": self.gamma_shares,
            "theta_usd_per_day": self.theta_usd_per_day,
            "legs": [
                [str(leg.key), leg.quantity, leg.multiplier, leg.vega_usd_per_vol, leg.iv_annual] for leg in self.legs
            ],
        }


def picture_of(exposure: Exposure, spot: float, market_s: float) -> Picture | None:
    """The picture of a valid exposure; None while the greeks are invalid."""
    delta, gamma, theta = exposure.option_delta_shares, exposure.gamma_shares, exposure.theta_usd_per_day
    if delta is None or gamma is None or theta is None:
        return None
    return Picture(market_s, spot, delta, gamma, theta, exposure.legs)


@dataclass(frozen=True, slots=True)
class Booked:
    """What the day's book has added up to by a moment, since the day began."""

    pnl_usd: float = 0.0
    commissions_usd: float = 0.0
    dividends_usd: float = 0.0
    slippage_usd: float = 0.0
    traded_shares: float = 0.0
    """Signed sum of own shares traded or delivered."""
    traded_usd: float = 0.0
    """Those shares at the mids of their decisions."""
    held_shares: float = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """One closed interval; market epoch seconds, dollars a share."""

    start_s: float
    end_s: float
    spot_start: float
    spot_end: float
    parts: Parts


@dataclass(frozen=True)
class Attribution:
    """A day's attribution under way: what is closed, and where the open interval began."""

    closed: Parts = Parts()
    start: Picture | None = None
    """Start of the open interval; None before the first good marks ever."""
    booked: Booked = Booked()
    """What the day's book stood at then."""
    latest: Picture | None = None
    """The newest picture of good marks: where the open interval ends if it ends now."""
    overnight: bool = False
    """The open interval began on an earlier day."""
    opened_s: float | None = None
    """Market time of the first good marks after the night."""
    changed: bool = False
    """A leg came, went or changed its quantity: the interval ends at the next picture."""

    def now(self, booked: Booked) -> Parts:
        """The day's parts up to now, open interval included; their sum is ``booked.pnl_usd``."""
        return self.closed + _between(self.start, self.latest, self.booked, booked)

    def as_row(self, booked: Booked) -> dict[str, object]:
        """Column ``attribution`` of `trading_days`: the parts to show, and what a restarted engine goes on from."""
        latest = self.latest if self.latest is not self.start else None
        return {
            "parts": self.now(booked).as_row(),
            "closed": self.closed.as_row(),
            "start": self.start.as_row() if self.start is not None else None,
            "booked": {field.name: getattr(self.booked, field.name) for field in fields(Booked)},
            "latest": latest.as_row() if latest is not None else None,
            "overnight": self.overnight,
            "opened_s": self.opened_s,
            "changed": self.changed,
        }


def from_row(row: Mapping[str, Any] | None) -> Attribution:
    """The attribution as stored; an empty one where nothing was."""
    if not row or "closed" not in row:
        return Attribution()
    start = _picture(row.get("start"))
    return Attribution(
        closed=Parts(**{part: float(row["closed"].get(part) or 0.0) for part in PARTS}),
        start=start,
        booked=Booked(**{name: float(value) for name, value in (row.get("booked") or {}).items()}),
        latest=_picture(row.get("latest")) or start,
        overnight=bool(row.get("overnight")),
        opened_s=row.get("opened_s"),
        changed=bool(row.get("changed")),
    )


def _picture(row: Mapping[str, Any] | None) -> Picture | None:
    if not row:
        return None
    legs = tuple(
        StoredLeg(parse_contract_key(key), quantity, multiplier, vega, iv_annual)
        for key, quantity, multiplier, vega, iv_annual in row["legs"]
    )
    return Picture(
        row["market_s"],
        row["spot"],
        row["option_delta_shares"],
        row["gamma_shares"],
        row["theta_usd_per_day"],
        legs,
    )


def _between(start: Picture | None, end: Picture | None, before: Booked, after: Booked) -> Parts:
    """The parts of one interval from the greeks at its start and what was booked meanwhile."""
    slippage = after.slippage_usd - before.slippage_usd
    commissions = before.commissions_usd - after.commissions_usd
    dividends = after.dividends_usd - before.dividends_usd
    delta = gamma = theta = vega = 0.0
    if start is not None and end is not None:
        move, days = end.spot - start.spot, (end.market_s - start.market_s) / DAY_S
        traded = after.traded_shares - before.traded_shares
        held = after.held_shares - traded
        delta = (start.option_delta_shares + held) * move
        delta += traded * end.spot - (after.traded_usd - before.traded_usd)
        gamma = 0.5 * start.gamma_shares * move * move
        theta = start.theta_usd_per_day * days
        vega = _vega(start, end)
    known = delta + gamma + theta + vega + slippage + commissions + dividends
    residual = after.pnl_usd - before.pnl_usd - known
    return Parts(delta, gamma, theta, vega, slippage, commissions, dividends, residual)


def _vega(start: Picture, end: Picture) -> float:
    """Σ ν·dσ over the legs that both pictures price with a volatility."""
    if start.legs is end.legs:
        return 0.0
    later = {leg.key: leg.iv_annual for leg in end.legs}
    total = 0.0
    for leg in start.legs:
        iv_annual = later.get(leg.key)
        if iv_annual is not None and leg.iv_annual is not None:
            total += leg.quantity * leg.multiplier * leg.vega_usd_per_vol * (iv_annual - leg.iv_annual)
    return total


def next_day(attribution: Attribution) -> Attribution:
    """The day after: the open interval goes on from the last good marks, and what is booked counts from nothing."""
    start = attribution.latest
    return Attribution(start=start, latest=start, overnight=start is not None)


def is_due(attribution: Attribution, market_s: float) -> bool:
    """The newest picture belongs to a minute that has passed: the interval ends with it, unless it is the night's."""
    latest = attribution.latest
    if latest is None or latest is attribution.start or attribution.overnight:
        return False
    return latest.market_s // MINUTE_S != market_s // MINUTE_S


def close(attribution: Attribution, booked: Booked, *, ends_day: bool = False) -> tuple[Attribution, Interval | None]:
    """End the open interval at the newest picture. No interval while there never was a picture or nothing happened.

    Intervals are kept by their start, so one of no length would be overwritten by the next, which begins at the same
    moment: what was booked in it counts in the next one. Only the last of a day may have no length.
    """
    start, end = attribution.start, attribution.latest
    if start is None or end is None:
        return attribution, None
    if end.market_s <= start.market_s and not ends_day:
        return (attribution if end is start else evolve(attribution, start=end, changed=False)), None
    parts = _between(start, end, attribution.booked, booked)
    if end is start and not any(getattr(parts, part) for part in PARTS):
        return attribution, None
    after = Attribution(closed=attribution.closed + parts, start=end, booked=booked, latest=end)
    worth = bool(start.legs or end.legs or booked.held_shares) or any(getattr(parts, part) for part in PARTS)
    return after, Interval(start.market_s, end.market_s, start.spot, end.spot, parts) if worth else None


def seen(
    attribution: Attribution, exposure: Exposure, spot: float, market_s: float, *, complete: bool
) -> tuple[Attribution, bool]:
    """Good marks came: keep their picture. The second value says that the interval ends with it at once.

    That is so when a leg came or went, and when the picture is the first complete one after a night.

    Parameters
    ----------
    spot : float
        The stock's good mark, dollars.
    complete : bool
        Every managed leg had a good mark too: only then the night ends, or `OPENING_S` after the first marks.
    """
    latest = attribution.latest
    known = latest is not None and latest.legs is exposure.legs and latest.spot == spot
    if known and not attribution.overnight and not attribution.changed:
        return attribution, False
    picture = picture_of(exposure, spot, market_s)
    if picture is None:
        return attribution, False
    if attribution.start is None:
        # Whatever was booked before the first good marks counts in the first interval.
        return evolve(attribution, start=picture, latest=picture, changed=False), False
    if not attribution.overnight:
        return evolve(attribution, latest=picture), attribution.changed
    opened_s = attribution.opened_s if attribution.opened_s is not None else market_s
    attribution = evolve(attribution, latest=picture, opened_s=opened_s)
    return attribution, complete or market_s - opened_s >= OPENING_S
