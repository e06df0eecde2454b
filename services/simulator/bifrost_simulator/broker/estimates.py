"""What an order would do to its account: the answer to a what-if, and the check of funds before it is accepted."""

from __future__ import annotations

from dataclasses import replace

from bifrost_simulator.api import Contract, OrderRequest, OrderState
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker import checks
from bifrost_simulator.broker.account import Account
from bifrost_simulator.broker.commissions import order_commission
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.broker.values import Figures
from bifrost_simulator.market.base import Quote
from bifrost_simulator.universe import Universe


class Estimates:
    """Figures of an account before and after an order, from a copy of the account."""

    def __init__(self, settlement: Settlement, board: QuoteBoard, universe: Universe) -> None:
        self._settlement = settlement
        self._board = board
        self._universe = universe

    def check_funds(self, request: OrderRequest, contract: Contract) -> None:
        """Reject what would leave less than nothing available, unless it makes that better."""
        before, after, _ = self._figures(request, contract)
        if after.available < 0 and after.available < before.available:
            raise checks.rejected(
                "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
                f"[{after.loan_value:.2f} USD] MUST EXCEED THE INITIAL MARGIN [{after.initial_margin:.2f} USD]"
            )

    def what_if(self, request: OrderRequest, contract: Contract) -> OrderState:
        """Margins before, after and between, and the commission."""
        before, after, fee = self._figures(request, contract)
        return OrderState(
            init_margin_before=_cents(before.initial_margin),
            maint_margin_before=_cents(before.maintenance_margin),
            equity_before=_cents(before.loan_value),
            init_margin_change=_cents(after.initial_margin - before.initial_margin),
            maint_margin_change=_cents(after.maintenance_margin - before.maintenance_margin),
            equity_change=_cents(after.loan_value - before.loan_value),
            init_margin_after=_cents(after.initial_margin),
            maint_margin_after=_cents(after.maintenance_margin),
            equity_after=_cents(after.loan_value),
            commission=_cents(fee),
            min_commission=None,
            max_commission=None,
        )

    def _figures(self, request: OrderRequest, contract: Contract) -> tuple[Figures, Figures, float]:
        """Figures before and after a fill of the whole order, and its commission."""
        self._board.watch(contract)
        try:
            account = self._settlement.accounts[request.account]
            before, after = self._settlement.figures_of(account), _copy(account)
            buying, total = request.action == "BUY", 0.0
            legs = self._universe.legs(contract)
            for leg in legs:
                quantity = request.quantity * leg.ratio
                bought = leg.signed(buying) > 0
                given = request.limit_price if len(legs) == 1 else None
                price = _price(self._board.quote(leg.contract.con_id), bought, leg.contract.sec_type, given)
                fee = order_commission(
                    leg.contract.sec_type, quantity, quantity * price * leg.contract.multiplier_units
                )
                after.fill(leg.contract, quantity if bought else -quantity, price, fee)
                total += fee
            return before, self._settlement.figures_of(after), total
        finally:
            self._board.unwatch(contract)


def _price(quote: Quote, bought: bool, sec_type: str, limit: float | None) -> float:
    """Stock counts at its mark, so that a limit far away makes no profit; a premium is what would be paid."""
    mark = quote.mark or 0.0
    if sec_type == "STK":
        return mark or limit or 0.0
    if limit is not None:
        return limit
    touch = quote.ask if bought else quote.bid
    return touch if touch > 0 else mark


def _copy(account: Account) -> Account:
    holdings = {con_id: replace(holding) for con_id, holding in account.holdings.items()}
    return Account(account.account_id, account.cash, holdings, account.commissions_day, account.day_equity)


def _cents(value: float) -> float:
    return round(value, 2)
