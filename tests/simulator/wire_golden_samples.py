"""Golden samples: each message the gateway sends and what ib_insync must make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bifrost_simulator.wire.fields import UNSET_DOUBLE
from bifrost_simulator.wire.layout import OLDEST_VERSION

from tests.simulator.wire_ib import NEWEST, ib_insync

VERSIONS = range(OLDEST_VERSION, NEWEST + 1)

C11 = {
    "conId": 200_000_002,
    "symbol": "NVDA",
    "secType": "OPT",
    "lastTradeDateOrContractMonth": "20260320",
    "strike": 142.5,
    "right": "C",
    "multiplier": "100",
    "exchange": "SMART",
    "currency": "USD",
    "localSymbol": "NVDA  260320C00142500",
    "tradingClass": "NVDA",
}
CONTRACT = ib_insync.Contract(**C11)
BAR = {"date": "20260302", "open": 140.25, "high": 141, "low": 139.5, "close": 140.75, "volume": 1000, "wap": 140.4}
BAR_OBJECT = ib_insync.BarData(
    date="20260302", open=140.25, high=141.0, low=139.5, close=140.75, volume=1000.0, average=140.4, barCount=12
)

# message, fields, the callback ib_insync makes of it and that callback's arguments
SAMPLES: list[tuple[str, dict[str, Any], str, tuple[Any, ...]]] = [
    (
        "tickPrice",
        {"reqId": 7, "tickType": 1, "price": 140.05, "size": 300.0, "attrMask": 1},
        "priceSizeTick",
        (7, 1, 140.05, 300.0),
    ),
    ("tickSize", {"reqId": 7, "tickType": 8, "size": 123456.0}, "tickSize", (7, 8, 123456.0)),
    (
        "orderStatus",
        {
            "orderId": 5,
            "status": "Submitted",
            "filled": 40.0,
            "remaining": 60.0,
            "avgFillPrice": 140.05,
            "permId": 99,
            "parentId": 3,
            "lastFillPrice": 140.1,
            "clientId": 2,
            "whyHeld": "locate",
            "mktCapPrice": 141.5,
        },
        "orderStatus",
        (5, "Submitted", 40.0, 60.0, 140.05, 99, 3, 140.1, 2, "locate", 141.5),
    ),
    (
        "updateAccountValue",
        {"tag": "NetLiquidation", "value": "1000000.00", "currency": "USD", "account": "DU1"},
        "updateAccountValue",
        ("NetLiquidation", "1000000.00", "USD", "DU1"),
    ),
    ("updateAccountTime", {"time": "10:05"}, "updateAccountTime", ("10:05",)),
    ("nextValidId", {"orderId": 12}, "nextValidId", (12,)),
    ("managedAccounts", {"accounts": "DU1,DU2"}, "managedAccounts", ("DU1,DU2",)),
    (
        "tickOptionComputation",
        {
            "reqId": 7,
            "tickType": 13,
            "tickAttrib": 1,
            "impliedVol": 0.45,
            "delta": 0.52,
            "optPrice": 5.05,
            "pvDividend": 0.0,
            "gamma": 0.021,
            "vega": 0.11,
            "theta": -0.2,
            "undPrice": 140.02,
        },
        "tickOptionComputation",
        (7, 13, 1, 0.45, 0.52, 5.05, 0.0, 0.021, 0.11, -0.2, 140.02),
    ),
    ("tickGeneric", {"reqId": 7, "tickType": 49, "value": 0.0}, "tickGeneric", (7, 49, 0.0)),
    ("tickString", {"reqId": 7, "tickType": 45, "value": "1772463600"}, "tickString", (7, 45, "1772463600")),
    ("currentTime", {"time": 1772463600}, "currentTime", (1772463600,)),
    (
        "realtimeBar",
        {"reqId": 7, "time": 1772463600, "count": 12} | {key: BAR[key] for key in BAR if key != "date"},
        "realtimeBar",
        (7, 1772463600, 140.25, 141.0, 139.5, 140.75, 1000.0, 140.4, 12),
    ),
    ("contractDetailsEnd", {"reqId": 7}, "contractDetailsEnd", (7,)),
    ("openOrderEnd", {}, "openOrderEnd", ()),
    ("accountDownloadEnd", {"account": "DU1"}, "accountDownloadEnd", ("DU1",)),
    ("execDetailsEnd", {"reqId": 7}, "execDetailsEnd", (7,)),
    ("tickSnapshotEnd", {"reqId": 7}, "tickSnapshotEnd", (7,)),
    ("marketDataType", {"reqId": 7, "marketDataType": 3}, "marketDataType", (7, 3)),
    (
        "position",
        {"account": "DU1", **C11, "position": -20.0, "avgCost": 505.25},
        "position",
        ("DU1", CONTRACT, -20.0, 505.25),
    ),
    ("positionEnd", {}, "positionEnd", ()),
    (
        "accountSummary",
        {"reqId": 7, "account": "DU1", "tag": "BuyingPower", "value": "4000.00", "currency": "USD"},
        "accountSummary",
        (7, "DU1", "BuyingPower", "4000.00", "USD"),
    ),
    ("accountSummaryEnd", {"reqId": 7}, "accountSummaryEnd", (7,)),
    (
        "positionMulti",
        {"reqId": 7, "account": "DU1", **C11, "position": 20.0, "avgCost": 505.25, "modelCode": "M"},
        "positionMulti",
        (7, "DU1", "M", CONTRACT, 20.0, 505.25),
    ),
    ("positionMultiEnd", {"reqId": 7}, "positionMultiEnd", (7,)),
    (
        "accountUpdateMulti",
        {"reqId": 7, "account": "DU1", "modelCode": "M", "tag": "Cash", "value": "1.00", "currency": "USD"},
        "accountUpdateMulti",
        (7, "DU1", "M", "Cash", "1.00", "USD"),
    ),
    ("accountUpdateMultiEnd", {"reqId": 7}, "accountUpdateMultiEnd", (7,)),
    (
        "securityDefinitionOptionParameter",
        {
            "reqId": 7,
            "exchange": "SMART",
            "underlyingConId": 5,
            "tradingClass": "NVDA",
            "multiplier": "100",
            "expirations": ["20260320", "20260417"],
            "strikes": [137.5, 140.0],
        },
        "securityDefinitionOptionParameter",
        (7, "SMART", "5", "NVDA", "100", ["20260320", "20260417"], [137.5, 140.0]),
    ),
    ("securityDefinitionOptionParameterEnd", {"reqId": 7}, "securityDefinitionOptionParameterEnd", (7,)),
    (
        "tickReqParams",
        {"reqId": 7, "minTick": 0.01, "bboExchange": "9c0001", "snapshotPermissions": 3},
        "tickReqParams",
        (7, 0.01, "9c0001", 3),
    ),
    ("headTimestamp", {"reqId": 7, "headTimestamp": "20250302-15:00:00"}, "headTimestamp", (7, "20250302-15:00:00")),
    (
        "historicalDataUpdate",
        {"reqId": 7, "count": 12, **BAR},
        "historicalDataUpdate",
        (7, BAR_OBJECT),
    ),
    (
        "newsProviders",
        {"newsProviders": [{"code": "BRFG", "name": "Briefing.com"}]},
        "newsProviders",
        ([ib_insync.NewsProvider("BRFG", "Briefing.com")],),
    ),
    ("scannerParameters", {"xml": "<a/>"}, "scannerParameters", ("<a/>",)),
    (
        "marketRule",
        {
            "marketRuleId": 26,
            "priceIncrements": [{"lowEdge": 0.0, "increment": 0.01}, {"lowEdge": 3.0, "increment": 0.05}],
        },
        "marketRule",
        (26, [ib_insync.PriceIncrement(0.0, 0.01), ib_insync.PriceIncrement(3.0, 0.05)]),
    ),
    (
        "pnl",
        {"reqId": 7, "dailyPnL": 12.5, "unrealizedPnL": None, "realizedPnL": -3.25},
        "pnl",
        (7, 12.5, UNSET_DOUBLE, -3.25),
    ),
    (
        "pnlSingle",
        {"reqId": 7, "position": 20.0, "dailyPnL": 12.5, "unrealizedPnL": 1.0, "realizedPnL": None, "value": 10100.0},
        "pnlSingle",
        (7, 20.0, 12.5, 1.0, UNSET_DOUBLE, 10100.0),
    ),
    ("completedOrdersEnd", {}, "completedOrdersEnd", ()),
    (
        "updatePortfolio",
        {
            **{key: value for key, value in C11.items() if key != "exchange"},
            "primaryExchange": "AMEX",
            "position": 20.0,
            "marketPrice": 5.05,
            "marketValue": 10100.0,
            "averageCost": 505.0,
            "unrealizedPNL": -1.5,
            "realizedPNL": 2.5,
            "account": "DU1",
        },
        "updatePortfolio",
        (
            ib_insync.Contract(
                **{key: value for key, value in C11.items() if key != "exchange"}, primaryExchange="AMEX"
            ),
            20.0,
            5.05,
            10100.0,
            505.0,
            -1.5,
            2.5,
            "DU1",
        ),
    ),
    (
        "commissionReport",
        {"execId": "e1", "commission": 1.25, "currency": "USD", "realizedPNL": 3.5},
        "commissionReport",
        (
            ib_insync.CommissionReport(
                execId="e1", commission=1.25, currency="USD", realizedPNL=3.5, yield_=UNSET_DOUBLE
            ),
        ),
    ),
    (
        "execDetails",
        {
            "reqId": -1,
            "orderId": 5,
            **C11,
            "execId": "0000e0d5.00000001.01.01",
            "time": "20260302 10:00:00 America/New_York",
            "acctNumber": "DU1",
            "execExchange": "ISLAND",
            "side": "BOT",
            "shares": 100.0,
            "price": 140.05,
            "permId": 99,
            "clientId": 2,
            "liquidation": 0,
            "cumQty": 100.0,
            "avgPrice": 140.05,
            "orderRef": "BFABC",
            "evRule": "",
            "evMultiplier": None,
            "modelCode": "",
            "lastLiquidity": 2,
        },
        "execDetails",
        (
            -1,
            CONTRACT,
            ib_insync.Execution(
                execId="0000e0d5.00000001.01.01",
                time=datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
                acctNumber="DU1",
                exchange="ISLAND",
                side="BOT",
                shares=100.0,
                price=140.05,
                permId=99,
                clientId=2,
                orderId=5,
                cumQty=100.0,
                avgPrice=140.05,
                orderRef="BFABC",
                lastLiquidity=2,
            ),
        ),
    ),
]
