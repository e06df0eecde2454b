"""Every request as ib_insync's own client writes it, read by the gateway at every version, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from bifrost_simulator.wire.framing import split_fields
from bifrost_simulator.wire.messages import REQUEST_BY_NUMBER, REQUESTS

from tests.simulator.wire_golden_samples import VERSIONS
from tests.simulator.wire_ib import EncodingClient, ib_insync

OPTION = ib_insync.Option(
    "NVDA", "20260320", 142.5, "C", "SMART", "100", "USD",
    conId=5, primaryExchange="AMEX", localSymbol="NVDA  260320C00142500", tradingClass="NVDA",
    includeExpired=True, secIdType="ISIN", secId="US1", issuerId="e1",
)  # fmt: skip
C12 = {
    "conId": 5, "symbol": "NVDA", "secType": "OPT", "lastTradeDateOrContractMonth": "20260320", "strike": 142.5,
    "right": "C", "multiplier": "100", "exchange": "SMART", "primaryExchange": "AMEX", "currency": "USD",
    "localSymbol": "NVDA  260320C00142500", "tradingClass": "NVDA",
}  # fmt: skip
TAGS = [ib_insync.TagValue("k", "v")]
BAG = ib_insync.Contract(
    secType="BAG", symbol="NVDA", exchange="SMART", currency="USD",
    comboLegs=[ib_insync.ComboLeg(conId=5, ratio=2, action="BUY", exchange="SMART")],
    deltaNeutralContract=ib_insync.DeltaNeutralContract(9, 0.5, 140.0),
)  # fmt: skip
BAG_FIELDS = {
    "conId": 0, "symbol": "NVDA", "secType": "BAG", "lastTradeDateOrContractMonth": "", "strike": 0.0, "right": "",
    "multiplier": "", "exchange": "SMART", "primaryExchange": "", "currency": "USD", "localSymbol": "",
    "tradingClass": "", "comboLegs": [{"conId": 5, "ratio": 2, "action": "BUY", "exchange": "SMART"}],
}  # fmt: skip
FILTER = ib_insync.ExecutionFilter(2, "DU1", "20260302 10:00:00", "NVDA", "STK", "SMART", "BUY")
FILTER_FIELDS = {
    "clientId": 2, "acctCode": "DU1", "time": "20260302 10:00:00", "symbol": "NVDA", "secType": "STK",
    "exchange": "SMART", "side": "BUY",
}  # fmt: skip
HISTORY = {
    "reqId": 7, "includeExpired": True, "endDateTime": "20260302 10:00:00", "barSizeSetting": "1 min",
    "durationStr": "1 D", "useRTH": True, "whatToShow": "TRADES", "formatDate": 2, "keepUpToDate": True,
    "chartOptions": {"k": "v"},
}  # fmt: skip
MARKET_DATA = {
    "reqId": 7, "genericTickList": "100,236", "snapshot": True, "regulatorySnapshot": False,
    "mktDataOptions": {"k": "v"},
}  # fmt: skip

# client method, its arguments, message, its fields
CALLS: list[tuple[str, tuple[Any, ...], str, dict[str, Any]]] = [
    (
        "reqMktData",
        (7, OPTION, "100,236", True, False, TAGS),
        "reqMktData",
        {**C12, **MARKET_DATA, "deltaNeutralContract": None},
    ),
    (
        "reqMktData",
        (7, BAG, "100,236", True, False, TAGS),
        "reqMktData",
        {**BAG_FIELDS, **MARKET_DATA, "deltaNeutralContract": {"conId": 9, "delta": 0.5, "price": 140.0}},
    ),
    ("cancelMktData", (7,), "cancelMktData", {"reqId": 7}),
    ("reqOpenOrders", (), "reqOpenOrders", {}),
    ("reqAccountUpdates", (True, "DU1"), "reqAccountUpdates", {"subscribe": True, "account": "DU1"}),
    ("reqExecutions", (7, FILTER), "reqExecutions", {"reqId": 7, **FILTER_FIELDS}),
    ("reqIds", (3,), "reqIds", {"numIds": 3}),
    ("setServerLogLevel", (2,), "setServerLogLevel", {"logLevel": 2}),
    ("reqAutoOpenOrders", (True,), "reqAutoOpenOrders", {"autoBind": True}),
    ("reqAllOpenOrders", (), "reqAllOpenOrders", {}),
    ("reqManagedAccts", (), "reqManagedAccts", {}),
    (
        "reqHistoricalData",
        (7, OPTION, "20260302 10:00:00", "1 D", "1 min", "TRADES", True, 2, True, TAGS),
        "reqHistoricalData",
        {**C12, **HISTORY},
    ),
    (
        "reqHistoricalData",
        (7, BAG, "20260302 10:00:00", "1 D", "1 min", "TRADES", True, 2, True, TAGS),
        "reqHistoricalData",
        {**BAG_FIELDS, **HISTORY, "includeExpired": False},
    ),
    ("cancelHistoricalData", (7,), "cancelHistoricalData", {"reqId": 7}),
    ("reqCurrentTime", (), "reqCurrentTime", {}),
    (
        "reqRealTimeBars",
        (7, OPTION, 5, "TRADES", True, TAGS),
        "reqRealTimeBars",
        {"reqId": 7, **C12, "barSize": 5, "whatToShow": "TRADES", "useRTH": True, "realTimeBarsOptions": {"k": "v"}},
    ),
    ("cancelRealTimeBars", (7,), "cancelRealTimeBars", {"reqId": 7}),
    (
        "calculateImpliedVolatility",
        (7, OPTION, 5.25, 140.5, TAGS),
        "calculateImpliedVolatility",
        {"reqId": 7, **C12, "optionPrice": 5.25, "underPrice": 140.5, "implVolOptions": {"k": "v"}},
    ),
    (
        "calculateOptionPrice",
        (7, OPTION, 0.25, 140.5, []),
        "calculateOptionPrice",
        {"reqId": 7, **C12, "volatility": 0.25, "underPrice": 140.5, "optPrcOptions": {}},
    ),
    ("cancelCalculateImpliedVolatility", (7,), "cancelCalculateImpliedVolatility", {"reqId": 7}),
    ("cancelCalculateOptionPrice", (7,), "cancelCalculateOptionPrice", {"reqId": 7}),
    ("reqGlobalCancel", (), "reqGlobalCancel", {}),
    ("reqMarketDataType", (3,), "reqMarketDataType", {"marketDataType": 3}),
    ("reqPositions", (), "reqPositions", {}),
    (
        "reqAccountSummary",
        (7, "All", "Cash,NetLiquidation"),
        "reqAccountSummary",
        {"reqId": 7, "groupName": "All", "tags": "Cash,NetLiquidation"},
    ),
    ("cancelAccountSummary", (7,), "cancelAccountSummary", {"reqId": 7}),
    ("cancelPositions", (), "cancelPositions", {}),
    ("startApi", (), "startApi", {"clientId": -1, "optionalCapabilities": ""}),
    (
        "reqPositionsMulti",
        (7, "DU1", "M"),
        "reqPositionsMulti",
        {"reqId": 7, "account": "DU1", "modelCode": "M"},
    ),
    ("cancelPositionsMulti", (7,), "cancelPositionsMulti", {"reqId": 7}),
    (
        "reqAccountUpdatesMulti",
        (7, "DU1", "M", True),
        "reqAccountUpdatesMulti",
        {"reqId": 7, "account": "DU1", "modelCode": "M", "ledgerAndNLV": True},
    ),
    ("cancelAccountUpdatesMulti", (7,), "cancelAccountUpdatesMulti", {"reqId": 7}),
    (
        "reqSecDefOptParams",
        (7, "NVDA", "GLOBEX", "STK", 5),
        "reqSecDefOptParams",
        {
            "reqId": 7,
            "underlyingSymbol": "NVDA",
            "futFopExchange": "GLOBEX",
            "underlyingSecType": "STK",
            "underlyingConId": 5,
        },
    ),
    ("reqMatchingSymbols", (7, "NVD"), "reqMatchingSymbols", {"reqId": 7, "pattern": "NVD"}),
    (
        "reqHeadTimeStamp",
        (7, OPTION, "TRADES", True, 2),
        "reqHeadTimestamp",
        {"reqId": 7, **C12, "includeExpired": True, "useRTH": True, "whatToShow": "TRADES", "formatDate": 2},
    ),
    ("cancelHeadTimeStamp", (7,), "cancelHeadTimestamp", {"reqId": 7}),
    ("reqMarketRule", (26,), "reqMarketRule", {"marketRuleId": 26}),
    ("reqPnL", (7, "DU1", "M"), "reqPnL", {"reqId": 7, "account": "DU1", "modelCode": "M"}),
    ("cancelPnL", (7,), "cancelPnL", {"reqId": 7}),
    (
        "reqPnLSingle",
        (7, "DU1", "M", 5),
        "reqPnLSingle",
        {"reqId": 7, "account": "DU1", "modelCode": "M", "conId": 5},
    ),
    ("cancelPnLSingle", (7,), "cancelPnLSingle", {"reqId": 7}),
    ("reqNewsProviders", (), "reqNewsProviders", {}),
    ("reqScannerParameters", (), "reqScannerParameters", {}),
    ("reqCompletedOrders", (True,), "reqCompletedOrders", {"apiOnly": True}),
    (
        "reqMktDepth",
        (7, OPTION, 5, True, TAGS),
        "reqMktDepth",
        {"reqId": 7, **C12, "numRows": 5, "isSmartDepth": True, "mktDepthOptions": {"k": "v"}},
    ),
    ("cancelMktDepth", (7, True), "cancelMktDepth", {"reqId": 7, "isSmartDepth": True}),
    ("reqMktDepthExchanges", (), "reqMktDepthExchanges", {}),
    (
        "reqHistoricalTicks",
        (7, OPTION, "20260302 10:00:00", "", 100, "TRADES", True, False, TAGS),
        "reqHistoricalTicks",
        {
            "reqId": 7,
            **C12,
            "includeExpired": True,
            "startDateTime": "20260302 10:00:00",
            "endDateTime": "",
            "numberOfTicks": 100,
            "whatToShow": "TRADES",
            "useRth": True,
            "ignoreSize": False,
            "miscOptions": {"k": "v"},
        },
    ),
    (
        "reqTickByTickData",
        (7, OPTION, "BidAsk", 0, True),
        "reqTickByTickData",
        {"reqId": 7, **C12, "tickType": "BidAsk", "numberOfTicks": 0, "ignoreSize": True},
    ),
    ("cancelTickByTickData", (7,), "cancelTickByTickData", {"reqId": 7}),
]
VERSIONED = {"cancelOrder", "reqContractDetails", "placeOrder"}


def received(method: str, args: tuple[Any, ...], version: int) -> tuple[str, dict[str, Any]]:
    client = EncodingClient(version)
    getattr(client, method)(*args)
    (payload,) = client.payloads
    number, *fields = split_fields(payload)
    spec = REQUEST_BY_NUMBER[int(number)]
    return spec.name, spec.decode(fields, version)


def test_every_request_of_the_table_is_covered() -> None:
    assert {name for _, _, name, _ in CALLS} | VERSIONED == {spec.name for spec in REQUESTS}


@pytest.mark.parametrize(
    ("method", "args", "name", "values"), CALLS, ids=[f"{number}-{call[0]}" for number, call in enumerate(CALLS)]
)
def test_the_gateway_reads_what_ib_insync_wrote(
    method: str, args: tuple[Any, ...], name: str, values: dict[str, Any]
) -> None:
    for version in VERSIONS:
        assert received(method, args, version) == (name, values), version


def test_fields_that_came_with_a_version() -> None:
    for version in VERSIONS:
        cancel = {"orderId": 7} | ({"manualCancelOrderTime": "20260302 10:00:00"} if version >= 169 else {})
        assert received("cancelOrder", (7, "20260302 10:00:00"), version) == ("cancelOrder", cancel)
        details = {"reqId": 7, **C12, "includeExpired": True, "secIdType": "ISIN", "secId": "US1"}
        details |= {"issuerId": "e1"} if version >= 176 else {}
        assert received("reqContractDetails", (7, OPTION), version) == ("reqContractDetails", details)
