"""The strategy of the bench `replay` as its peers run it: delta of twenty legs at each second, hedged at a band.

Each leg's volatility is solved from its own mid as it is quoted (Newton from the last one); then the deltas of all legs
are worked out at the newest spot with numpy. Standard library and numpy alone.
"""

import math

import numpy as np
from _replay_tape import LEGS, SECONDS_A_YEAR, normal_cdf

THRESHOLD_SHARES, COOLDOWN_S, MULTIPLIER = 25.0, 60.0, 100.0


class BandHedger:
    """Says how many shares to trade; one order at a time, and none within the cooldown after a fill."""

    def __init__(self, expires_s, entry_s):
        self.expires_s, self.entry_s = expires_s, entry_s
        self.strike = np.array([strike for strike, _ in LEGS])
        self.sign = np.array([1.0 if right == "C" else -1.0 for _, right in LEGS])
        self.vol = np.full(len(LEGS), 0.35)
        self.shares = 0.0
        self.filled_s = -math.inf
        self.working = False
        self.hedges = 0

    def second(self, at_s, spot, leg, mid):
        """Quotes of the stock and of a leg have come; shares to trade now, positive to buy."""
        years = (self.expires_s - at_s) / SECONDS_A_YEAR
        root = math.sqrt(years)
        self.vol[leg] = implied(mid, spot, float(self.strike[leg]), root, float(self.sign[leg]), float(self.vol[leg]))
        spread = self.vol * root
        d1 = np.log(spot / self.strike) / spread + spread / 2
        delta = self.shares + MULTIPLIER * float((self.sign * normal_cdf(self.sign * d1)).sum())
        if self.working or at_s < self.entry_s or at_s - self.filled_s < COOLDOWN_S or abs(delta) < THRESHOLD_SHARES:
            return 0
        self.working = True
        self.hedges += 1
        return -round(delta)

    def filled(self, at_s, shares):
        """The order has filled, whole."""
        self.shares += shares
        self.filled_s = at_s
        self.working = False


def implied(price, spot, strike, root, sign, vol):
    """Annual volatility of a European option at a rate of zero; the guess where Newton does not arrive."""
    guess = vol
    for _ in range(20):
        spread = vol * root
        d1 = math.log(spot / strike) / spread + spread / 2
        upper, lower = (0.5 * math.erfc(-sign * d / math.sqrt(2.0)) for d in (d1, d1 - spread))
        vega = spot * root * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
        step = (sign * (spot * upper - strike * lower) - price) / max(vega, 1e-12)
        vol = min(max(vol - step, 0.01), 4.0)
        if abs(step) < 1e-10:
            return vol
    return guess
