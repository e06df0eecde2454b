"""openOrder and completedOrder, read by ib_insync's own decoder at every version it speaks, field by field."""

from __future__ import annotations

from typing import Any

from bifrost_simulator.wire.fields import UNSET_DOUBLE
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME

from tests.simulator.wire_golden_samples import C11, VERSIONS
from tests.simulator.wire_ib import decode, ib_insync, plain

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
    dropped = {"faProfile": ""} if version >= 177 else {}
    for field, value in {**sample, **peg, **dropped}.items():
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
