"""The managed legs: which are adopted, how they are kept (engine.md section 1, "Managed legs")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bifrost.calendar import TradingCalendar
from bifrost.config import AdoptMode, Config
from bifrost.contract import ContractKey

from ..execution.limits import above
from ..words import BrokerPosition, Times
from .exposure import PortfolioMemory, exposure
from .figures import Exposure, ExposureAlert, LegExposure
from .leg import Leg, ReleaseReason

__all__ = [
    "Exposure",
    "ExposureAlert",
    "Leg",
    "LegExposure",
    "PortfolioMemory",
    "ReleaseReason",
    "adopt",
    "adoption_reason",
    "eligible",
    "exposure",
    "largest_delta_shares",
    "managed",
    "may_adopt",
    "reach_warning",
    "release",
]


def managed(legs: Mapping[ContractKey, Leg]) -> tuple[Leg, ...]:
    """The legs that count, in the order of their keys."""
    return tuple(leg for _, leg in sorted(legs.items()) if leg.managed)


def eligible(
    position: BrokerPosition, spot: float | None, at: Times, config: Config, calendar: TradingCalendar
) -> bool:
    """Whether an option position of the symbol fits the structure: DTE and strike in their bands, ends included.

    Says nothing about `adopt: auto|manual`, nor about a leg released by command: ask `may_adopt` for that.
    """
    key, structure = position.key, config.gates.strategy.structure
    if not key.is_option or key.symbol != config.symbol or position.quantity == 0 or len(key.expiry) != 8:
        return False
    if spot is None or not spot > 0 or at.market_s is None:
        return False
    dte = calendar.dte_s(at.market_s, key.expiry_date)
    if not structure.min_dte <= dte <= structure.max_dte:
        return False
    return not above(abs(key.strike - spot) / spot, structure.atm_band_pct)


def may_adopt(
    position: BrokerPosition,
    known: Leg | None,
    spot: float | None,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
) -> bool:
    """Whether the engine adopts ``position`` by itself; ``known`` is what it remembers of that contract."""
    if config.gates.strategy.structure.adopt is not AdoptMode.AUTO:
        return False
    if known is not None and (known.managed or known.release_reason == ReleaseReason.COMMAND):
        return False
    return eligible(position, spot, at, config, calendar)


def adoption_reason(position: BrokerPosition, spot: float | None, at: Times, calendar: TradingCalendar) -> str:
    """The numbers behind an adoption, for the alert and the row."""
    dte = None if at.market_s is None else calendar.dte_s(at.market_s, position.key.expiry_date)
    days = "unknown days" if dte is None else f"{dte} days"
    if spot is None:
        return f"{days} to expiry"
    distance_pct = 100.0 * abs(position.key.strike - spot) / spot
    return f"{days} to expiry, strike {distance_pct:.2f} % from spot {spot:.2f}"


def adopt(position: BrokerPosition, at: Times, reason: str, mark: float | None) -> Leg:
    """The leg that ``position`` becomes. ``reason`` says why: the structure's numbers, or the command."""
    return Leg(
        key=position.key,
        quantity=position.quantity,
        multiplier=position.multiplier,
        con_id=position.con_id,
        trading_class=position.trading_class,
        adopted_market_s=at.market_s if at.market_s is not None else at.wall_s,
        adopt_reason=reason,
        adopt_price=mark,
    )


def release(leg: Leg, at: Times, reason: ReleaseReason) -> Leg:
    """The leg, managed no more."""
    released_s = at.market_s if at.market_s is not None else at.wall_s
    return replace(leg, released_market_s=released_s, release_reason=str(reason))


def largest_delta_shares(legs: Mapping[ContractKey, Leg]) -> float:
    """The largest |Δ| the managed legs can reach: calls all in the money, or puts (start-up warning, section 8)."""
    calls = sum(leg.quantity * leg.multiplier for leg in managed(legs) if leg.key.right == "C")
    puts = sum(leg.quantity * leg.multiplier for leg in managed(legs) if leg.key.right == "P")
    return max(abs(calls), abs(puts))


def reach_warning(legs: Mapping[ContractKey, Leg], config: Config) -> str:
    """What to tell the operator when the legs can ask for more shares than the limit allows; else empty."""
    reach, limit = largest_delta_shares(legs), config.gates.guard.risk.max_position_shares
    if reach <= limit:
        return ""
    return f"the managed legs can reach a delta of {reach:g} shares, max_position_shares allows {limit}"
