"""Commissions by IB's fixed schedule for the United States, in dollars.

Stocks $0.005 a share, at least $1.00 an order and at most 1 % of its value; options $0.65 a contract, at least $1.00
an order. The minimum and the maximum are those of the order, so the first fill carries the minimum.
"""

from __future__ import annotations

PER_SHARE = 0.005
STOCK_MINIMUM = 1.0
STOCK_MAXIMUM_SHARE = 0.01
PER_CONTRACT = 0.65
OPTION_MINIMUM = 1.0


def order_commission(sec_type: str, quantity: float, value: float) -> float:
    """Commission of an order that has filled ``quantity`` units worth ``value`` dollars."""
    if quantity <= 0:
        return 0.0
    if sec_type == "OPT":
        return max(OPTION_MINIMUM, PER_CONTRACT * quantity)
    return min(max(STOCK_MINIMUM, PER_SHARE * quantity), STOCK_MAXIMUM_SHARE * value)


def fill_commission(sec_type: str, quantity: float, value: float, filled_before: float, value_before: float) -> float:
    """Commission that the next fill of an order adds, rounded to 0.0001 dollars; never below 0."""
    before = order_commission(sec_type, filled_before, value_before)
    after = order_commission(sec_type, filled_before + quantity, value_before + value)
    return max(0.0, round(after - before, 4))
