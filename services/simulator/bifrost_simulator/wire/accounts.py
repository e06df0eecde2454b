"""Accounts between the world's dataclasses and the wire's field names."""

from __future__ import annotations

from bifrost_simulator.api import AccountValue, Pnl, PnlSingle, PortfolioItem, Position
from bifrost_simulator.wire.contracts import contract_values
from bifrost_simulator.wire.layout import Values


def account_value_values(value: AccountValue) -> Values:
    """Messages 6, 63 and 73."""
    return {"tag": value.tag, "value": value.value, "currency": value.currency, "account": value.account}


def position_values(position: Position) -> Values:
    """Messages 61 and 71."""
    # Positions name no routing exchange: a client must qualify the contract before it trades it.
    return {
        "account": position.account,
        **contract_values(position.contract),
        "exchange": "",
        "position": position.quantity,
        "avgCost": position.avg_cost,
    }


def portfolio_values(item: PortfolioItem) -> Values:
    """Message 7, which names the primary exchange where others name the exchange."""
    contract = contract_values(item.contract)
    del contract["exchange"]
    return {
        **contract,
        "primaryExchange": item.contract.primary_exchange,
        "position": item.quantity,
        "marketPrice": item.market_price,
        "marketValue": item.market_value,
        "averageCost": item.avg_cost,
        "unrealizedPNL": item.unrealized_pnl,
        "realizedPNL": item.realized_pnl,
        "account": item.account,
    }


def pnl_values(req_id: int, pnl: Pnl) -> Values:
    """Message 94."""
    return {"reqId": req_id, "dailyPnL": pnl.daily, "unrealizedPnL": pnl.unrealized, "realizedPnL": pnl.realized}


def pnl_single_values(req_id: int, pnl: PnlSingle) -> Values:
    """Message 95."""
    return {
        "reqId": req_id,
        "position": pnl.quantity,
        "dailyPnL": pnl.daily,
        "unrealizedPnL": pnl.unrealized,
        "realizedPnL": pnl.realized,
        "value": pnl.value,
    }
