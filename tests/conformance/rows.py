"""Rows that all three libraries give alike: they name the fields of a contract as IB does."""

from __future__ import annotations

from typing import Any


def contract_fields(contract: Any) -> dict[str, Any]:
    return {
        "conId": contract.conId,
        "symbol": contract.symbol,
        "secType": contract.secType,
        "expiry": contract.lastTradeDateOrContractMonth,
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": contract.multiplier,
        "exchange": contract.exchange,
        "currency": contract.currency,
        "localSymbol": contract.localSymbol,
        "tradingClass": contract.tradingClass,
    }


def details_fields(details: Any) -> dict[str, Any]:
    return {
        "minTick": details.minTick,
        "longName": details.longName,
        "marketRuleIds": details.marketRuleIds,
        "tradingHours": details.tradingHours,
        "timeZoneId": details.timeZoneId,
        "underConId": details.underConId,
        "validExchanges": details.validExchanges,
    }
