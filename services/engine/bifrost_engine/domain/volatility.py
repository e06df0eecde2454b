"""Which volatility prices a leg: model, solved, last solved, configured (engine.md section 1, "Volatility and greeks")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VolatilitySource(StrEnum):
    """Best first. FLAT is valid but degraded; EXPIRED needs no volatility."""

    MODEL = "model"
    SOLVED = "solved"
    LAST_SOLVED = "last_solved"
    FLAT = "flat"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class LegVolatility:
    """The volatility of one leg, where it came from and how old it is (seconds)."""

    iv_annual: float
    source: VolatilitySource
    age_s: float
