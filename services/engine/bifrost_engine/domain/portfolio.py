"""The managed legs and their exposure in shares (engine.md section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey

from .market import MarketBook
from .volatility import VolatilitySource
from .words import BrokerPosition, Times


class ReleaseReason(StrEnum):
    """Why a leg is managed no more. Only COMMAND keeps it from being adopted again by itself."""

    COMMAND = "command"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Leg:
    """A managed option leg, or a released one that is remembered. ``*_market_s`` are epoch seconds of the market's clock."""

    key: ContractKey
    quantity: float
    """The broker's, signed."""
    multiplier: float
    con_id: int
    trading_class: str
    adopted_market_s: float
    adopt_reason: str
    adopt_price: float | None
    """Mark at adoption, dollars a share; None when there was no good one yet."""
    released_market_s: float | None = None
    release_reason: str = ""

    @property
    def managed(self) -> bool:
        return self.released_market_s is None and self.quantity != 0

    def as_row(self, account: str) -> dict[str, object]:
        """Columns of `managed_legs`."""
        raise NotImplementedError

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Leg:
        """A row of `managed_legs`."""
        raise NotImplementedError


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
    legs: tuple[LegExposure, ...] = ()
    flat_volatility: bool = False
    """Some leg is priced with the configured volatility."""
    alerts: tuple[ExposureAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class PortfolioMemory:
    """What one evaluation leaves for the next: solved volatilities, sources in use, prices at expiry, the last result."""

    last: Exposure | None = None


def managed(legs: Mapping[ContractKey, Leg]) -> tuple[Leg, ...]:
    """The legs that count, in the order of their keys."""
    raise NotImplementedError


def eligible(
    position: BrokerPosition, spot: float | None, at: Times, config: Config, calendar: TradingCalendar
) -> bool:
    """Whether an option position of the symbol fits the structure: DTE and strike within their bands, both ends included.

    Says nothing about `adopt: auto|manual`, nor about a leg released by command: ask `may_adopt` for that.
    """
    raise NotImplementedError


def may_adopt(
    position: BrokerPosition,
    known: Leg | None,
    spot: float | None,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
) -> bool:
    """Whether the engine adopts ``position`` by itself; ``known`` is what it remembers of that contract."""
    raise NotImplementedError


def adopt(position: BrokerPosition, at: Times, reason: str, mark: float | None) -> Leg:
    """The leg that ``position`` becomes. ``reason`` says why: the structure's numbers, or the command."""
    raise NotImplementedError


def adoption_reason(position: BrokerPosition, spot: float | None, at: Times, calendar: TradingCalendar) -> str:
    """The numbers behind an adoption, for the alert and the row."""
    raise NotImplementedError


def release(leg: Leg, at: Times, reason: ReleaseReason) -> Leg:
    """The leg, managed no more."""
    raise NotImplementedError


def exposure(
    legs: Mapping[ContractKey, Leg],
    book: MarketBook,
    stock_shares: float,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
    memory: PortfolioMemory,
) -> tuple[Exposure, PortfolioMemory]:
    """Delta, gamma, theta and vega of the managed legs and the stock in scope.

    Works the model only when spot, a volatility or the legs changed, or a second of market time passed.
    """
    raise NotImplementedError


def largest_delta_shares(legs: Mapping[ContractKey, Leg]) -> float:
    """The largest |Δ| the managed legs can reach: calls all in the money, or puts (start-up warning, section 8)."""
    raise NotImplementedError
