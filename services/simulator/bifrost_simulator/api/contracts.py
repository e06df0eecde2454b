"""Contracts: what a client asks for and what exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComboLeg:
    con_id: int
    ratio: int
    action: str
    exchange: str = ""
    open_close: int = 0
    short_sale_slot: int = 0
    designated_location: str = ""
    exempt_code: int = -1


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """A contract as a client describes it (C12 of the protocol): any field may be empty, 0 or 0.0."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    include_expired: bool = False
    sec_id_type: str = ""
    sec_id: str = ""
    combo_legs: tuple[ComboLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that exists in this world. ``multiplier`` is ``"100"`` for options and empty for stocks."""

    con_id: int
    symbol: str
    sec_type: str
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = "SMART"
    primary_exchange: str = ""
    currency: str = "USD"
    local_symbol: str = ""
    trading_class: str = ""
    combo_legs: tuple[ComboLeg, ...] = ()
    contract_key: str = ""
    combo_multiplier: float = 1.0
    """Units per combination; IB leaves the multiplier of a BAG empty on the wire."""

    @property
    def multiplier_units(self) -> float:
        """Units of the underlying per contract: 100 for equity options, 1 for stocks."""
        return float(self.multiplier) if self.multiplier else self.combo_multiplier


@dataclass(frozen=True, slots=True)
class ContractDetails:
    """Message 10. ``trading_hours`` and ``liquid_hours`` are IB's strings in ``time_zone_id``."""

    contract: Contract
    market_name: str
    min_tick: float
    order_types: str
    valid_exchanges: str
    long_name: str
    trading_hours: str
    liquid_hours: str
    time_zone_id: str = "US/Eastern"
    price_magnifier: int = 1
    under_con_id: int = 0
    contract_month: str = ""
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    ev_rule: str = ""
    ev_multiplier: float = 0.0
    sec_ids: tuple[tuple[str, str], ...] = ()
    agg_group: int = 1
    under_symbol: str = ""
    under_sec_type: str = ""
    market_rule_ids: str = ""
    real_expiration: str = ""
    stock_type: str = ""
    min_size: float = 1.0
    size_increment: float = 1.0
    suggested_size_increment: float = 100.0


@dataclass(frozen=True, slots=True)
class OptionChain:
    """Message 75: one exchange's listed expiries (``YYYYMMDD``) and strikes (dollars)."""

    exchange: str
    under_con_id: int
    trading_class: str
    multiplier: str
    expirations: tuple[str, ...]
    strikes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SymbolSample:
    """Message 79: one match of reqMatchingSymbols."""

    con_id: int
    symbol: str
    sec_type: str
    primary_exchange: str
    currency: str
    derivative_sec_types: tuple[str, ...]
    description: str = ""
    issuer_id: str = ""


@dataclass(frozen=True, slots=True)
class PriceIncrement:
    """From ``low_edge`` dollars upwards prices step by ``increment`` dollars."""

    low_edge: float
    increment: float
