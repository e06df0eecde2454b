"""What an evaluation says of each leg and of the whole book."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost.contract import ContractKey

from .volatility import VolatilitySource


@dataclass(frozen=True, slots=True)
class LegExposure:
    """One leg in one evaluation; greeks are per share of the underlying, not multiplied."""

    key: ContractKey
    quantity: float
    multiplier: float
    delta: float
    gamma: float
    theta_usd_per_day: float
    """Per share, dollars a calendar day."""
    vega_usd_per_vol: float
    """Per share, dollars for 1.00 of volatility."""
    iv_annual: float | None
    """None when expired."""
    source: VolatilitySource
    age_s: float
    dte: int
    mark: float | None
    """Newest valid mid of the leg's line, dollars a share."""
    broker_delta: float | None

    @property
    def delta_shares(self) -> float:
        return self.quantity * self.multiplier * self.delta


@dataclass(frozen=True, slots=True)
class ExposureAlert:
    """Something a trader should look at: pin_risk, exit_dte, early_exercise_risk, model_disagreement."""

    code: str
    key: ContractKey
    message: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """The book in one evaluation. Share figures are ``None`` when the greeks are invalid, never zero."""

    valid: bool
    reason: str
    """Why the greeks are invalid; empty when valid."""
    stock_shares: float
    option_delta_shares: float | None
    net_delta_shares: float | None
    gamma_shares: float | None
    """Shares per dollar of the underlying."""
    theta_usd_per_day: float | None
    vega_usd_per_vol: float | None
    legs_count: int = 0
    """Managed legs, priced or not: legs whose greeks are invalid still count."""
    legs: tuple[LegExposure, ...] = ()
    """One row a leg; none while the greeks are invalid."""
    flat_volatility: bool = False
    """Some leg is priced with the configured volatility."""
    alerts: tuple[ExposureAlert, ...] = ()
