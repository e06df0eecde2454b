"""The policies: fixed band, Whalley–Wilmott, time-based, band that follows gamma."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .policy import PolicyError, Situation

#: The band that follows gamma is never narrower, unless told so.
LEAST_SHARES = 10.0


def _positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise PolicyError(f"{what} {value!r} must be above zero")


def _to_zero(situation: Situation) -> int:
    return -round(situation.net_delta_shares)


@dataclass(frozen=True, slots=True)
class FixedBand:
    """To zero as soon as |Δ| reaches the band: what the live core does at `threshold_hedge_shares`."""

    half_width_shares: float

    def __post_init__(self) -> None:
        _positive("half width of a fixed band, shares,", self.half_width_shares)

    @property
    def name(self) -> str:
        return f"fixed band, {self.half_width_shares:g} shares"

    def shares(self, situation: Situation) -> int:
        return _to_zero(situation) if abs(situation.net_delta_shares) >= self.half_width_shares else 0


@dataclass(frozen=True, slots=True)
class WhalleyWilmott:
    """To the nearer edge of the band ±(3/2 · e^(−r(T−t)) · λ · S · Γ² / γ)^(1/3) around zero, in shares.

    The asymptotic solution for small proportional costs and exponential utility (Whalley and Wilmott 1997, "An
    asymptotic analysis of an optimal hedging model for option pricing with transaction costs").

    Attributes
    ----------
    risk_aversion_per_usd : float
        γ: the larger, the narrower the band.
    cost_part : float
        λ: what trading costs, as a part of the value traded.
    """

    risk_aversion_per_usd: float
    cost_part: float

    def __post_init__(self) -> None:
        _positive("risk aversion per dollar", self.risk_aversion_per_usd)
        _positive("cost as a part of the value traded", self.cost_part)

    @property
    def name(self) -> str:
        return f"Whalley–Wilmott, γ {self.risk_aversion_per_usd:g}, λ {self.cost_part:g}"

    def half_width_shares(self, situation: Situation) -> float:
        scale = 1.5 * situation.discount * self.cost_part * situation.spot / self.risk_aversion_per_usd
        return math.cbrt(scale * situation.gamma_shares**2)

    def shares(self, situation: Situation) -> int:
        delta, width = situation.net_delta_shares, self.half_width_shares(situation)
        if abs(delta) <= width:
            return 0
        return round(math.copysign(width, delta) - delta)


@dataclass(frozen=True, slots=True)
class TimeBased:
    """To zero every ``interval_s`` market seconds, whatever the delta is."""

    interval_s: float

    def __post_init__(self) -> None:
        _positive("interval of a time-based policy, seconds,", self.interval_s)

    @property
    def name(self) -> str:
        return f"every {self.interval_s / 60:g} minutes"

    def shares(self, situation: Situation) -> int:
        last_s = situation.last_hedge_s
        due = last_s is None or situation.market_s - last_s >= self.interval_s
        return _to_zero(situation) if due else 0


@dataclass(frozen=True, slots=True)
class GammaScaledBand:
    """To zero once |Δ| is what gamma makes of a move of ``move_pct`` per cent: wide near expiry, narrow far from it.

    ``least_shares`` keeps the band from closing where there is next to no gamma.
    """

    move_pct: float
    least_shares: float = LEAST_SHARES

    def __post_init__(self) -> None:
        _positive("move of a gamma-scaled band, per cent,", self.move_pct)
        _positive("least half width of a gamma-scaled band, shares,", self.least_shares)

    @property
    def name(self) -> str:
        least = "" if self.least_shares == LEAST_SHARES else f", at least {self.least_shares:g} shares"
        return f"gamma-scaled band, {self.move_pct:g} % move{least}"

    def half_width_shares(self, situation: Situation) -> float:
        move_usd = situation.spot * self.move_pct / 100.0
        return max(self.least_shares, abs(situation.gamma_shares) * move_usd)

    def shares(self, situation: Situation) -> int:
        return _to_zero(situation) if abs(situation.net_delta_shares) >= self.half_width_shares(situation) else 0
