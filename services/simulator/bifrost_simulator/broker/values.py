"""What an account is worth and may do: figures, their IB tags, and what an order would change.

Margin follows Regulation T in broad strokes: stock needs 50 % to open and 25 % (short 30 %) to keep, long options are
paid in full and lend nothing, short options need 20 % of the underlying less what they are out of the money, at least
10 %. Spreads and covered positions get no relief; docs/simulator.md says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bifrost_simulator.api import AccountValue
from bifrost_simulator.broker.account import Account, Holding

STOCK_INITIAL, STOCK_MAINTENANCE, SHORT_MAINTENANCE = 0.50, 0.25, 0.30
SHORT_OPTION_SHARE, SHORT_OPTION_FLOOR = 0.20, 0.10
BUYING_POWER_FACTOR = 4.0
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Figures:
    """Dollars. ``net_liquidation`` = ``cash`` + ``stock_value`` + ``option_value``."""

    cash: float
    stock_value: float
    option_value: float
    gross_value: float
    initial_margin: float
    maintenance_margin: float
    loan_value: float
    unrealized: float
    realized: float

    @property
    def net_liquidation(self) -> float:
        return self.cash + self.stock_value + self.option_value

    @property
    def available(self) -> float:
        return self.loan_value - self.initial_margin

    @property
    def excess(self) -> float:
        return self.loan_value - self.maintenance_margin

    @property
    def buying_power(self) -> float:
        return BUYING_POWER_FACTOR * max(0.0, self.available)


def figures(account: Account, marks: Mapping[int, float], spot: float | None) -> Figures:
    """Figures of ``account`` at ``marks`` (conId → dollars a unit); a holding without a mark counts at its cost."""
    stock = option = gross = initial = maintenance = unrealized = 0.0
    loan = account.cash
    for holding in account.open_holdings():
        mark = marks.get(holding.contract.con_id)
        if mark is None:
            mark = holding.avg_cost / holding.contract.multiplier_units
        value = holding.value(mark)
        gross += abs(value)
        unrealized += holding.unrealized(mark)
        if holding.contract.sec_type == "STK":
            stock += value
            loan += value
            initial += STOCK_INITIAL * abs(value)
            maintenance += (STOCK_MAINTENANCE if value >= 0 else SHORT_MAINTENANCE) * abs(value)
        else:
            option += value
            if holding.quantity < 0:
                loan += value
                need = _short_option_margin(holding, mark, spot)
                initial += need
                maintenance += need
    return Figures(account.cash, stock, option, gross, initial, maintenance, loan, unrealized, account.realized_day)


def _short_option_margin(holding: Holding, mark: float, spot: float | None) -> float:
    contract = holding.contract
    under = spot if spot is not None else contract.strike
    out = max(0.0, (contract.strike - under) if contract.right == "C" else (under - contract.strike))
    per_share = mark + max(SHORT_OPTION_SHARE * under - out, SHORT_OPTION_FLOOR * under)
    return abs(holding.quantity) * contract.multiplier_units * per_share


def tagged_values(account: Account, f: Figures) -> tuple[AccountValue, ...]:
    """Every value of reqAccountUpdates in a fixed order."""
    money = {
        "AvailableFunds": f.available,
        "BuyingPower": f.buying_power,
        "EquityWithLoanValue": f.loan_value,
        "ExcessLiquidity": f.excess,
        "FullAvailableFunds": f.available,
        "FullExcessLiquidity": f.excess,
        "FullInitMarginReq": f.initial_margin,
        "FullMaintMarginReq": f.maintenance_margin,
        "GrossPositionValue": f.gross_value,
        "InitMarginReq": f.initial_margin,
        "LookAheadAvailableFunds": f.available,
        "LookAheadExcessLiquidity": f.excess,
        "LookAheadInitMarginReq": f.initial_margin,
        "LookAheadMaintMarginReq": f.maintenance_margin,
        "NetLiquidation": f.net_liquidation,
        "PreviousDayEquityWithLoanValue": account.day_equity if account.day_equity is not None else f.loan_value,
        "RegTEquity": f.loan_value,
        "RegTMargin": f.initial_margin,
        "SMA": f.available,
        "SettledCash": f.cash,
        "TotalCashValue": f.cash,
    }
    ledger = {
        "AccruedCash": 0.0,
        "CashBalance": f.cash,
        "NetLiquidationByCurrency": f.net_liquidation,
        "OptionMarketValue": f.option_value,
        "RealizedPnL": f.realized,
        "StockMarketValue": f.stock_value,
        "TotalCashBalance": f.cash,
        "UnrealizedPnL": f.unrealized,
    }
    texts = {
        "AccountCode": account.account_id,
        "AccountReady": "true",
        "AccountType": "INDIVIDUAL",
        "Cushion": f"{f.excess / f.net_liquidation:.4f}" if f.net_liquidation > 0 else "0",
        "DayTradesRemaining": "-1",
        "Leverage": f"{f.gross_value / f.net_liquidation:.2f}" if f.net_liquidation > 0 else "0",
    }
    name = account.account_id
    values = [AccountValue(name, tag, text, "") for tag, text in texts.items()]
    values += [AccountValue(name, tag, _money(value), CURRENCY) for tag, value in money.items()]
    for currency in ("BASE", CURRENCY):
        values.append(AccountValue(name, "Currency", currency, currency))
        values.append(AccountValue(name, "ExchangeRate", "1.00", currency))
        values += [AccountValue(name, tag, _money(value), currency) for tag, value in ledger.items()]
    return tuple(values)


#: Tags of reqAccountSummary besides the values above.
_LEDGER_TAGS = ("$LEDGER", "$LEDGER:USD", "$LEDGER:BASE", "$LEDGER:ALL")


def summary_values(values: tuple[AccountValue, ...], tags: frozenset[str]) -> list[AccountValue]:
    """The part of ``values`` that ``tags`` ask for; tags without a value are passed over, clients ask for them all."""
    ledger = {tag.partition(":")[2] or "BASE" for tag in tags if tag in _LEDGER_TAGS}
    wanted = []
    for value in values:
        own_currency = value.currency != "BASE" or value.tag == "Currency"
        in_ledger = value.tag in _LEDGER_FIELDS and ("ALL" in ledger or value.currency in ledger)
        if (value.tag in tags and own_currency) or in_ledger:
            wanted.append(value)
    return wanted


_LEDGER_FIELDS = frozenset(
    {
        "AccruedCash",
        "CashBalance",
        "Currency",
        "ExchangeRate",
        "NetLiquidationByCurrency",
        "OptionMarketValue",
        "RealizedPnL",
        "StockMarketValue",
        "TotalCashBalance",
        "UnrealizedPnL",
    }
)


def _money(value: float) -> str:
    return f"{value + 0.0:.2f}"
