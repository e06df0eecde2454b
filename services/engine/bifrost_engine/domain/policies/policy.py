"""What a policy sees and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class PolicyError(ValueError):
    """A parameter of a policy that makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One evaluation as a hedger sees it. Shares are signed.

    Attributes
    ----------
    market_s : float
        Epoch seconds of the market's clock.
    spot : float
        Dollars a share.
    option_delta_shares, gamma_shares : float
        Of the managed legs; gamma in shares per dollar of the underlying.
    own_shares : float
        What this hedger holds.
    last_hedge_s : float or None
        Market time of its last hedge.
    discount : float
        e^(−r(T−t)) to the legs' expiry.
    """

    market_s: float
    spot: float
    option_delta_shares: float
    gamma_shares: float
    own_shares: float = 0.0
    last_hedge_s: float | None = None
    discount: float = 1.0

    @property
    def net_delta_shares(self) -> float:
        return self.option_delta_shares + self.own_shares


class Policy(Protocol):
    """Decides from one situation alone: equal situations give equal answers."""

    @property
    def name(self) -> str:
        """With its parameters, as a table shows it."""
        ...

    def shares(self, situation: Situation) -> int:
        """Shares to trade now: positive buys, 0 leaves the delta as it is."""
        ...
