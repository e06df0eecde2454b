"""Corporate actions: what a split or a dividend does to the accounts."""

from __future__ import annotations

from bifrost.contract import contract_key

from bifrost_simulator.api import Contract
from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.market.generated import GeneratedMarket
from bifrost_simulator.universe import Universe


def pay_dividend(settlement: Settlement, stock: Contract, usd_per_share: float) -> None:
    """Credit (or, short, charge) the dividend on the shares held."""
    for account in settlement.accounts.values():
        holding = account.holdings.get(stock.con_id)
        if holding is not None and holding.quantity:
            paid = holding.quantity * usd_per_share
            account.cash += paid
            holding.day_flow += paid
            settlement.announce(account.account_id, stock)


def split_positions(settlement: Settlement, universe: Universe, market: GeneratedMarket, ratio: int) -> None:
    """Turn each share into ``ratio`` shares and each option into ``ratio`` at a strike divided by it."""
    for account in settlement.accounts.values():
        for holding in account.open_holdings():
            if holding.contract.sec_type == "STK":
                holding.quantity *= ratio
                holding.avg_cost /= ratio
                settlement.announce(account.account_id, holding.contract)
            else:
                _split_option(settlement, account, holding, universe, market, ratio)


def _split_option(
    settlement: Settlement, account: Account, holding: Holding, universe: Universe, market: GeneratedMarket, ratio: int
) -> None:
    old = holding.contract
    key = contract_key(old.symbol, "OPT", old.expiry, round(old.strike / ratio, 2), old.right)
    market.list_also(key)
    new = universe.add(key)
    settlement.opened(account, new)
    target = account.holding(new)
    units = holding.quantity * ratio
    # Both lots keep what they cost: the position is worth the same before and after.
    cost = target.quantity * target.avg_cost + holding.quantity * holding.avg_cost
    target.quantity += units
    target.avg_cost = abs(cost / target.quantity) if target.quantity else 0.0
    if target.day_value is not None or holding.day_value is not None:
        target.day_value = (target.day_value or 0.0) + (holding.day_value or 0.0)
    target.day_flow += holding.day_flow
    target.realized_day += holding.realized_day
    account.holdings[old.con_id] = Holding(old)
    settlement.closed(old)
    if not target.quantity:
        settlement.closed(new)
    settlement.announce(account.account_id, old)
    settlement.announce(account.account_id, new)
