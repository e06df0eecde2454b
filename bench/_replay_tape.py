"""The tape of the bench `replay`: one-second quotes of a stock and twenty option legs, made while it is read.

Each second the stock is quoted, and one leg in turn. The same numbers in every environment: numpy alone is imported.
"""

import math

import numpy as np

FIRST_DAY, EXPIRY = "2026-05-07", "20270115"
STRIKES = (130.0, 132.5, 135.0, 137.5, 140.0, 142.5, 145.0, 147.5, 150.0, 152.5)
LEGS = tuple((strike, right) for strike in STRIKES for right in "CP")
VOLATILITY = 0.35
SECONDS_A_YEAR = 365.0 * 86400.0
_COLUMNS = 6


def normal_cdf(x):
    """Of an array, to 1e-7 (Abramowitz and Stegun 26.2.17): for prices that are rounded to cents."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = poly * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return np.where(x > 0.0, 1.0 - tail, tail)


def days(sessions, expires_s, quotes):
    """Arrays of one row a second: time, bid and ask of the stock, number of a leg, its bid and ask; a day at a time.

    ``sessions`` are (open, close) in epoch seconds; two quotes a row, ``quotes`` in all.
    """
    spot, left = 140.0, quotes // 2
    for number, (open_s, close_s) in enumerate(sessions):
        if left <= 0:
            return
        count = min(left, int(close_s - open_s) - 1)
        left -= count
        chance = np.random.default_rng([1, number])
        rows = np.empty((count, _COLUMNS))
        rows[:, 0] = open_s + 1.0 + np.arange(count)
        path = spot * np.exp(np.cumsum(chance.normal(0.0, VOLATILITY / math.sqrt(SECONDS_A_YEAR), count)))
        spot = float(path[-1])
        leg = np.arange(count) % len(LEGS)
        strike = np.array([strike for strike, _ in LEGS])[leg]
        sign = np.array([1.0 if right == "C" else -1.0 for _, right in LEGS])[leg]
        spread = VOLATILITY * np.sqrt((expires_s - rows[:, 0]) / SECONDS_A_YEAR)
        d1 = np.log(path / strike) / spread + spread / 2
        price = sign * (path * normal_cdf(sign * d1) - strike * normal_cdf(sign * (d1 - spread)))
        rows[:, 3] = leg
        for column, mid, half in ((1, path, 0.01), (4, np.maximum(price, 0.05), 0.02)):
            rows[:, column] = np.round(mid - half, 2)
            rows[:, column + 1] = np.round(mid + half, 2)
        yield rows
