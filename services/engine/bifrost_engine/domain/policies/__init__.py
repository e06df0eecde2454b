"""When to hedge and how far: policies behind one Protocol, to be compared on the same tape. Pure."""

from .policy import Policy, PolicyError, Situation
from .rules import FixedBand, GammaScaledBand, TimeBased, WhalleyWilmott

__all__ = [
    "FixedBand",
    "GammaScaledBand",
    "Policy",
    "PolicyError",
    "Situation",
    "TimeBased",
    "WhalleyWilmott",
]
