"""Every message the gateway sends, read by ib_insync's own decoder at every version it speaks, field by field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from bifrost_simulator.wire.fields import UNSET_DOUBLE, FieldError
from bifrost_simulator.wire.layout import NEWEST_VERSION, OLDEST_VERSION
from bifrost_simulator.wire.messages import REQUESTS, RESPONSE_BY_NAME, RESPONSES

from tests.simulator.wire_ib import decode, ib_insync, plain

IB_INSYNC_NEWEST = 176
VERSIONS = range(OLDEST_VERSION, IB_INSYNC_NEWEST + 1)

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
OWN_TESTS = {"error", "contractDetails", "historicalData", "symbolSamples", "openOrder", "completedOrder"}


def test_every_message_has_a_golden_sample() -> None:
    assert {name for name, *_ in SAMPLES} | OWN_TESTS == {spec.name for spec in RESPONSES}


@pytest.mark.parametrize(("name", "values", "callback", "args"), SAMPLES, ids=[sample[0] for sample in SAMPLES])
def test_ib_insync_reads_what_was_written(
    name: str, values: dict[str, Any], callback: str, args: tuple[Any, ...]
) -> None:
    for version in VERSIONS:
        calls = decode(RESPONSE_BY_NAME[name].encode(values, version), version)
        assert [call for call, _ in calls] == [callback], version
        assert plain(calls[0][1]) == plain(args), version


def test_error_has_the_reject_json_only_where_clients_read_it() -> None:
    values = {"reqId": -1, "code": 2104, "text": "Market data farm connection is OK:usfarm"}
    for version in VERSIONS:
        payload = RESPONSE_BY_NAME["error"].encode(values, version)
        assert payload.count(b"\0") == (6 if version >= 166 else 5)
        assert decode(payload, version) == [("error", (-1, 2104, values["text"], ""))]


def test_contract_details_at_every_version() -> None:
    values = {
        "reqId": 7,
        **C11,
        "marketName": "NVDA",
        "minTick": 0.01,
        "orderTypes": "LMT,MKT",
        "validExchanges": "SMART,AMEX",
        "priceMagnifier": 1,
        "underConId": 5,
        "longName": "NVIDIA – café",
        "primaryExchange": "AMEX",
        "contractMonth": "202603",
        "industry": "Technology",
        "category": "Semiconductors",
        "subcategory": "Chips",
        "timeZoneId": "US/Eastern",
        "tradingHours": "20260302:0930-20260302:1600",
        "liquidHours": "20260302:0930-20260302:1600",
        "evRule": "",
        "evMultiplier": 0.0,
        "secIdList": [{"tag": "ISIN", "value": "US67066G1040"}],
        "aggGroup": 2,
        "underSymbol": "NVDA",
        "underSecType": "STK",
        "marketRuleIds": "32,109",
        "realExpirationDate": "20260320",
        "stockType": "",
        "minSize": 1.0,
        "sizeIncrement": 1.0,
        "suggestedSizeIncrement": 100.0,
    }
    for version in VERSIONS:
        ((name, (req_id, details)),) = decode(RESPONSE_BY_NAME["contractDetails"].encode(values, version), version)
        assert (name, req_id) == ("contractDetails", 7)
        assert plain(details.contract) == plain(ib_insync.Contract(**C11, primaryExchange="AMEX"))
        assert details.secIdList == [ib_insync.TagValue("ISIN", "US67066G1040")]
        for field in set(values) - set(C11) - {"reqId", "primaryExchange", "secIdList"}:
            if version < 164 and field in ("minSize", "sizeIncrement"):
                continue
            if version < 163 and field == "suggestedSizeIncrement":
                continue
            assert getattr(details, field) == values[field], (version, field)


def test_historical_data_is_one_message_with_an_implicit_end() -> None:
    values = {"reqId": 7, "start": "a", "end": "b", "bars": [{**BAR, "count": 12}] * 2}
    for version in VERSIONS:
        calls = decode(RESPONSE_BY_NAME["historicalData"].encode(values, version), version)
        assert [name for name, _ in calls] == ["historicalData", "historicalData", "historicalDataEnd"]
        assert plain(calls[0][1]) == plain((7, BAR_OBJECT))
        assert calls[2][1] == (7, "a", "b")


def test_symbol_samples_carry_the_description_from_176() -> None:
    sample = {
        "conId": 5,
        "symbol": "NVDA",
        "secType": "STK",
        "primaryExchange": "NASDAQ",
        "currency": "USD",
        "derivativeSecTypes": ["OPT", "BAG"],
        "description": "NVIDIA CORP",
        "issuerId": "e1",
    }
    for version in VERSIONS:
        payload = RESPONSE_BY_NAME["symbolSamples"].encode({"reqId": 7, "contracts": [sample, sample]}, version)
        ((name, (req_id, found)),) = decode(payload, version)
        assert (name, req_id, len(found)) == ("symbolSamples", 7, 2)
        for description in found:
            assert description.contract.conId == 5
            assert description.derivativeSecTypes == ["OPT", "BAG"]
            assert description.contract.description == ("NVIDIA CORP" if version >= 176 else "")


ORDER = {
    "action": "SELL",
    "totalQuantity": 100.0,
    "orderType": "LMT",
    "lmtPrice": 140.05,
    "auxPrice": 1.5,
    "tif": "GTC",
    "ocaGroup": "oca",
    "account": "DU1",
    "openClose": "C",
    "origin": 1,
    "orderRef": "BFABC",
    "permId": 99,
    "outsideRth": True,
    "hidden": True,
    "discretionaryAmt": 0.02,
    "goodAfterTime": "20260302 10:00:00",
    "faGroup": "g",
    "faMethod": "m",
    "faPercentage": "10",
    "faProfile": "p",
    "modelCode": "M",
    "goodTillDate": "20260303 10:00:00",
    "rule80A": "I",
    "percentOffset": 0.05,
    "settlingFirm": "s",
    "shortSaleSlot": 2,
    "designatedLocation": "loc",
    "exemptCode": 3,
    "startingPrice": 1.25,
    "stockRefPrice": 2.25,
    "delta": 0.5,
    "stockRangeLower": 130.0,
    "stockRangeUpper": 150.0,
    "displaySize": 10,
    "sweepToFill": True,
    "allOrNone": True,
    "minQty": 5,
    "ocaType": 3,
    "triggerMethod": 4,
    "volatility": 0.4,
    "volatilityType": 2,
    "deltaNeutralOrderType": "LMT",
    "deltaNeutralAuxPrice": 3.5,
    "deltaNeutralConId": 77,
    "deltaNeutralShortSale": True,
    "deltaNeutralShortSaleSlot": 1,
    "deltaNeutralDesignatedLocation": "dl",
    "continuousUpdate": True,
    "referencePriceType": 1,
    "trailStopPrice": 139.5,
    "trailingPercent": 1.5,
    "scaleInitLevelSize": 11,
    "scaleSubsLevelSize": 12,
    "scalePriceIncrement": 0.25,
    "scalePriceAdjustValue": 0.1,
    "scalePriceAdjustInterval": 60,
    "scaleProfitOffset": 0.5,
    "scaleAutoReset": True,
    "scaleInitPosition": 7,
    "scaleInitFillQty": 8,
    "scaleRandomPercent": True,
    "hedgeType": "D",
    "hedgeParam": "x",
    "clearingAccount": "ca",
    "clearingIntent": "IB",
    "notHeld": True,
    "algoStrategy": "Adaptive",
    "solicited": True,
    "randomizeSize": True,
    "randomizePrice": True,
    "conditionsIgnoreRth": True,
    "conditionsCancelOrder": True,
    "lmtPriceOffset": 0.01,
    "cashQty": 1000.0,
    "dontUseAutoPriceForHedge": True,
    "isOmsContainer": True,
}
OPEN_ONLY = {
    "clientId": 2,
    "auctionStrategy": 1,
    "blockOrder": True,
    "eTradeOnly": True,
    "firmQuoteOnly": True,
    "nbboPriceCap": 0.75,
    "parentId": 4,
    "deltaNeutralSettlingFirm": "dsf",
    "deltaNeutralClearingAccount": "dca",
    "deltaNeutralClearingIntent": "dci",
    "deltaNeutralOpenClose": "O",
    "basisPoints": 1.5,
    "basisPointsType": 2,
    "optOutSmartRouting": True,
    "whatIf": True,
    "adjustedOrderType": "STP",
    "triggerPrice": 138.0,
    "adjustedStopPrice": 137.0,
    "adjustedStopLimitPrice": 136.0,
    "adjustedTrailingAmount": 0.5,
    "adjustableTrailingUnit": 1,
    "discretionaryUpToLimitPrice": True,
    "usePriceMgmtAlgo": True,
}
COMPLETED_ONLY = {
    "autoCancelDate": "20260304",
    "filledQuantity": 60.0,
    "refFuturesConId": 12,
    "autoCancelParent": True,
    "shareholder": "sh",
    "imbalanceOnly": True,
    "routeMarketableToBbo": True,
    "parentPermId": 98,
}
PEG = {
    "minTradeQty": 1,
    "minCompeteSize": 2,
    "competeAgainstBestOffset": 0.02,
    "midOffsetAtWhole": 0.01,
    "midOffsetAtHalf": 0.005,
}
STATE = {
    "status": "Submitted",
    "initMarginBefore": 1.5,
    "maintMarginBefore": 2.5,
    "equityWithLoanBefore": 3.5,
    "initMarginChange": 4.5,
    "maintMarginChange": 5.5,
    "equityWithLoanChange": 6.5,
    "initMarginAfter": 7.5,
    "maintMarginAfter": 8.5,
    "equityWithLoanAfter": 9.5,
    "commission": 1.25,
    "minCommission": 1.0,
    "maxCommission": 1.5,
    "commissionCurrency": "USD",
    "warningText": "mind",
}
LEG = {
    "conId": 5,
    "ratio": 2,
    "action": "BUY",
    "exchange": "SMART",
    "openClose": 1,
    "shortSaleSlot": 1,
    "designatedLocation": "l",
    "exemptCode": 4,
}
GROUPS = {
    "comboLegs": [LEG, LEG],
    "orderComboLegs": [1.5, None],
    "smartComboRoutingParams": [{"tag": "NonGuaranteed", "value": "1"}],
    "algoParams": [{"tag": "adaptivePriority", "value": "Normal"}],
    "deltaNeutralContract": {"conId": 9, "delta": 0.5, "price": 140.0},
    "conditions": [
        {"condType": 1, "conjunction": "a", "isMore": True, "price": 1.5, "conId": 5, "exch": "X", "triggerMethod": 2},
        {"condType": 3, "conjunction": "o", "isMore": False, "time": "20260302 10:00:00"},
        {"condType": 4, "conjunction": "a", "isMore": True, "percent": 30},
        {"condType": 5, "conjunction": "o", "secType": "STK", "exch": "SMART", "symbol": "NVDA"},
        {"condType": 6, "conjunction": "a", "isMore": True, "volume": 1000, "conId": 5, "exch": "X"},
        {"condType": 7, "conjunction": "a", "isMore": True, "changePercent": 2.5, "conId": 5, "exch": "X"},
    ],
}


def check_order(order: Any, contract: Any, sample: dict[str, Any], version: int) -> None:
    """Every sampled order field and every group arrived in its own attribute."""
    peg = PEG if version >= 170 else {}
    for field, value in {**sample, **peg}.items():
        assert getattr(order, field) == value, (version, field)
    assert plain(contract.comboLegs) == plain([ib_insync.ComboLeg(**LEG)] * 2)
    assert [leg.price for leg in order.orderComboLegs] == [1.5, UNSET_DOUBLE]
    assert order.smartComboRoutingParams == [ib_insync.TagValue("NonGuaranteed", "1")]
    assert order.algoParams == [ib_insync.TagValue("adaptivePriority", "Normal")]
    assert contract.deltaNeutralContract == ib_insync.DeltaNeutralContract(9, 0.5, 140.0)
    for condition, sent in zip(order.conditions, GROUPS["conditions"], strict=True):
        assert {name: getattr(condition, name) for name in sent} == sent


def test_open_order_field_by_field() -> None:
    sample = {**ORDER, **OPEN_ONLY}
    late = {"duration": (159, 30), "postToAts": (160, 1), "autoCancelParent": (162, True)}
    tier = {"softDollarTierName": "n", "softDollarTierVal": "v", "softDollarTierDisplayName": "d"}
    values = {"orderId": 5, **C11, **sample, **PEG, **STATE, **GROUPS, **tier, "comboLegsDescrip": "legs"}
    values |= {name: value for name, (_, value) in late.items()}
    for version in VERSIONS:
        payload = RESPONSE_BY_NAME["openOrder"].encode(values, version)
        ((name, (order_id, contract, order, state)),) = decode(payload, version)
        assert (name, order_id) == ("openOrder", 5)
        check_order(order, contract, sample, version)
        assert {field: getattr(contract, field) for field in C11} == C11
        assert contract.comboLegsDescrip == "legs"
        assert tuple(order.softDollarTier.__dict__.values()) == ("n", "v", "d")
        for field, (since, value) in late.items():
            assert (getattr(order, field) == value) == (version >= since), (version, field)
        for field, value in STATE.items():
            received = getattr(state, field)
            assert (float(received) if "Margin" in field or "equity" in field else received) == value, field


def test_completed_order_field_by_field() -> None:
    sample = {**ORDER, **COMPLETED_ONLY}
    state = {"status": "Filled", "completedTime": "20260302 10:00:00 America/New_York", "completedStatus": "Filled"}
    for version in VERSIONS:
        payload = RESPONSE_BY_NAME["completedOrder"].encode({**C11, **sample, **PEG, **state, **GROUPS}, version)
        ((name, (contract, order, order_state)),) = decode(payload, version)
        assert name == "completedOrder"
        check_order(order, contract, sample, version)
        assert {field: getattr(order_state, field) for field in state} == state


def test_a_plain_open_order_reads_as_ib_insyncs_own_defaults() -> None:
    values = {
        "orderId": 5,
        **C11,
        "action": "BUY",
        "totalQuantity": 1.0,
        "orderType": "MKT",
        "openClose": "O",
        "status": "Submitted",
    }
    for version in VERSIONS:
        ((_, (_, _, order, state)),) = decode(RESPONSE_BY_NAME["openOrder"].encode(values, version), version)
        expected = ib_insync.Order(
            orderId=5, action="BUY", totalQuantity=1.0, orderType="MKT", transmit=True, openClose="O"
        )
        assert plain(order) == plain(expected), version
        assert float(state.initMarginChange) == UNSET_DOUBLE
        assert state.initMarginChange != str(UNSET_DOUBLE), "ib_insync would wait for ever for a what-if"


def test_pegged_to_benchmark_fields_follow_the_order_type() -> None:
    values = {"orderId": 5, **C11, "orderType": "PEG BENCH", "referenceContractId": 4, "peggedChangeAmount": 0.5}
    for name in ("openOrder", "completedOrder"):
        fields = {key: value for key, value in values.items() if key != "orderId" or name == "openOrder"}
        ((_, args),) = decode(RESPONSE_BY_NAME[name].encode(fields, 176), 176)
        order = next(arg for arg in args if isinstance(arg, ib_insync.Order))
        assert (order.referenceContractId, order.peggedChangeAmount) == (4, 0.5)


def test_sizes_are_whole_numbers_for_clients_that_read_them_with_int() -> None:
    spec = RESPONSE_BY_NAME["tickSize"]
    assert spec.encode({"reqId": 7, "tickType": 0, "size": 100.0}, 157) == b"2\x006\x007\x000\x00100\x00"
    assert spec.encode({"reqId": 7, "tickType": 0, "size": 100.5}, 157) == b"2\x006\x007\x000\x00100\x00"
    assert spec.encode({"reqId": 7, "tickType": 0, "size": 100.5}, 163) == b"2\x006\x007\x000\x00100.5\x00"


def test_fields_that_178_adds_and_177_drops() -> None:
    def count(name: str, version: int, **values: Any) -> int:
        return RESPONSE_BY_NAME[name].encode(values, version).count(b"\0")

    assert count("openOrder", 177, orderId=1) == count("openOrder", 176, orderId=1) - 1
    assert count("completedOrder", 177) == count("completedOrder", 176) - 1
    assert count("execDetails", 178, orderId=1) == count("execDetails", 177, orderId=1) + 1


def test_every_layout_reads_back_what_it_wrote_at_every_version() -> None:
    for spec in (*REQUESTS, *RESPONSES):
        ids = dict.fromkeys(spec.field_names & {"reqId", "orderId", "tickType", "marketDataType", "time"}, 3)
        ids |= dict.fromkeys(spec.field_names & {"code", "conId", "clientId", "marketRuleId"}, 3)
        for version in range(OLDEST_VERSION, NEWEST_VERSION + 1):
            try:
                payload = spec.encode(ids, version)
            except FieldError as error:
                raise AssertionError(f"{spec.name} at {version}: {error}") from error
            number, *fields = payload.decode().split("\0")[:-1]
            assert int(number) == spec.number
            decoded = spec.decode(fields, version)
            assert spec.encode(decoded, version) == payload, (spec.name, version)


def test_a_name_that_a_message_does_not_have_is_an_error() -> None:
    with pytest.raises(FieldError, match="tickSize has no field sise"):
        RESPONSE_BY_NAME["tickSize"].encode({"reqId": 1, "tickType": 0, "sise": 3}, 176)


def test_daily_bars_are_days_and_intraday_bars_name_their_zone() -> None:
    from bifrost_simulator.wire.times import bar_text

    moment = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    assert bar_text(date(2026, 3, 2), 1) == bar_text(date(2026, 3, 2), 2) == "20260302"
    assert bar_text(moment, 1) == "20260302 10:00:00 America/New_York"
    assert bar_text(moment, 2) == "1772463600"
