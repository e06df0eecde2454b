"""Contracts between the wire's field names and the world's dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bifrost_simulator.api import ComboLeg, Contract, ContractDetails, ContractQuery, OptionChain, SymbolSample
from bifrost_simulator.wire.layout import Values

_LEG_FIELDS = (
    ("conId", "con_id"),
    ("ratio", "ratio"),
    ("action", "action"),
    ("exchange", "exchange"),
    ("openClose", "open_close"),
    ("shortSaleSlot", "short_sale_slot"),
    ("designatedLocation", "designated_location"),
    ("exemptCode", "exempt_code"),
)


def contract_query(values: Mapping[str, Any]) -> ContractQuery:
    """Return what the client asked for, as it asked: interpreting it is the world's work."""
    return ContractQuery(
        con_id=values["conId"],
        symbol=values["symbol"],
        sec_type=values["secType"].upper(),
        expiry=values["lastTradeDateOrContractMonth"],
        strike=values["strike"],
        right=values["right"],
        multiplier=values["multiplier"],
        exchange=values["exchange"],
        primary_exchange=values["primaryExchange"],
        currency=values["currency"],
        local_symbol=values["localSymbol"],
        trading_class=values["tradingClass"],
        include_expired=values.get("includeExpired", False),
        sec_id_type=values.get("secIdType", ""),
        sec_id=values.get("secId", ""),
        combo_legs=tuple(_combo_leg(leg) for leg in values.get("comboLegs") or ()),
    )


def _combo_leg(leg: Mapping[str, Any]) -> ComboLeg:
    return ComboLeg(**{ours: leg[theirs] for theirs, ours in _LEG_FIELDS if theirs in leg})


def combo_leg_values(legs: tuple[ComboLeg, ...]) -> list[Values]:
    return [{theirs: getattr(leg, ours) for theirs, ours in _LEG_FIELDS} for leg in legs]


def contract_values(contract: Contract) -> Values:
    """The group C11: how the gateway names a contract in most messages."""
    return {
        "conId": contract.con_id,
        "symbol": contract.symbol,
        "secType": contract.sec_type,
        "lastTradeDateOrContractMonth": contract.expiry,
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": contract.multiplier,
        "exchange": contract.exchange,
        "currency": contract.currency,
        "localSymbol": contract.local_symbol,
        "tradingClass": contract.trading_class,
    }


def details_values(req_id: int, details: ContractDetails) -> Values:
    """Message 10."""
    return {
        "reqId": req_id,
        **contract_values(details.contract),
        "primaryExchange": details.contract.primary_exchange,
        "marketName": details.market_name,
        "minTick": details.min_tick,
        "orderTypes": details.order_types,
        "validExchanges": details.valid_exchanges,
        "priceMagnifier": details.price_magnifier,
        "underConId": details.under_con_id,
        "longName": details.long_name,
        "contractMonth": details.contract_month,
        "industry": details.industry,
        "category": details.category,
        "subcategory": details.subcategory,
        "timeZoneId": details.time_zone_id,
        "tradingHours": details.trading_hours,
        "liquidHours": details.liquid_hours,
        "evRule": details.ev_rule,
        "evMultiplier": details.ev_multiplier,
        "secIdList": [{"tag": tag, "value": value} for tag, value in details.sec_ids],
        "aggGroup": details.agg_group,
        "underSymbol": details.under_symbol,
        "underSecType": details.under_sec_type,
        "marketRuleIds": details.market_rule_ids,
        "realExpirationDate": details.real_expiration,
        "stockType": details.stock_type,
        "minSize": details.min_size,
        "sizeIncrement": details.size_increment,
        "suggestedSizeIncrement": details.suggested_size_increment,
    }


def chain_values(req_id: int, chain: OptionChain) -> Values:
    """Message 75."""
    return {
        "reqId": req_id,
        "exchange": chain.exchange,
        "underlyingConId": chain.under_con_id,
        "tradingClass": chain.trading_class,
        "multiplier": chain.multiplier,
        "expirations": list(chain.expirations),
        "strikes": list(chain.strikes),
    }


def sample_values(sample: SymbolSample) -> Values:
    """One match of message 79."""
    return {
        "conId": sample.con_id,
        "symbol": sample.symbol,
        "secType": sample.sec_type,
        "primaryExchange": sample.primary_exchange,
        "currency": sample.currency,
        "derivativeSecTypes": list(sample.derivative_sec_types),
        "description": sample.description,
        "issuerId": sample.issuer_id,
    }
