"""Options that reach the end of their last session: exercised, assigned or worthless."""

from __future__ import annotations

from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.hours import Hours
from bifrost_simulator.market.base import Market
from bifrost_simulator.universe import Universe

EXERCISE_IN_THE_MONEY_USD = 0.01  # the clearing house exercises by itself from one cent


def settle_expired(settlement: Settlement, universe: Universe, hours: Hours, market_s: float, market: Market) -> bool:
    """Turn expired option positions into stock where they are in the money; True when any expired.

    As at IB there is no execution for it: positions and cash change, and the client sees the position.
    """
    settled = False
    for account in settlement.accounts.values():
        for holding in account.open_holdings():
            contract = holding.contract
            if contract.sec_type != "OPT":
                continue
            if market_s < hours.last_trading_s(universe.key(contract.con_id).expiry_date):
                continue
            spot = market.quotes([universe.key(universe.stock.con_id)])[0].mark or 0.0
            _expire(settlement, account, holding, universe, spot)
            settled = True
    return settled


def _expire(settlement: Settlement, account: Account, holding: Holding, universe: Universe, spot: float) -> None:
    contract = holding.contract
    in_the_money = (1.0 if contract.right == "C" else -1.0) * (spot - contract.strike)
    exercised = in_the_money >= EXERCISE_IN_THE_MONEY_USD
    convert(settlement, account, holding, holding.quantity, universe, exercised=exercised)


def convert(
    settlement: Settlement,
    account: Account,
    holding: Holding,
    quantity: float,
    universe: Universe,
    *,
    exercised: bool = True,
) -> None:
    """End ``quantity`` contracts (signed as held); exercised or assigned ones turn into shares at the strike.

    The premium is gone: the options close at nothing, and their cost becomes realised.
    """
    contract = holding.contract
    account.fill(contract, -quantity, 0.0, 0.0)
    if not holding.quantity:
        settlement.closed(contract)
    if exercised:
        stock = universe.stock
        settlement.opened(account, stock)
        account.fill(
            stock, (1.0 if contract.right == "C" else -1.0) * quantity * contract.multiplier_units, contract.strike, 0.0
        )
        if not account.holding(stock).quantity:
            settlement.closed(stock)
        settlement.announce(account.account_id, stock)
    settlement.announce(account.account_id, contract)
