"""placeOrder as ib_insync's own client encodes it, read by the gateway: nothing lost, nothing left over."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

import pytest
from bifrost_simulator.api import ContractQuery, OrderStatus, OrderView
from bifrost_simulator.wire.fields import FieldError
from bifrost_simulator.wire.framing import split_fields
from bifrost_simulator.wire.messages import REQUEST_BY_NAME, REQUEST_BY_NUMBER, RESPONSE_BY_NAME
from bifrost_simulator.wire.orders import open_order_values, order_request
from bifrost_simulator.wire.readable import readable, request_id
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.wire_ib import UNSET_DOUBLE, UNSET_INTEGER, EncodingClient, decode, ib_insync, plain
from tests.simulator.wire_support import STOCK

VERSIONS = (157, 158, 159, 160, 162, 166, 169, 170, 176)
PLACE_ORDER = REQUEST_BY_NAME["placeOrder"]
STK = ib_insync.Stock("NVDA", "SMART", "USD", primaryExchange="NASDAQ", conId=5)
OPT = ib_insync.Option("NVDA", "20260320", 142.5, "C", "SMART", "100", "USD")
ATS = ib_insync.Stock("NVDA", "IBKRATS", "USD")


def bag() -> Any:
    legs = [
        ib_insync.ComboLeg(conId=5, ratio=1, action="BUY", exchange="SMART"),
        ib_insync.ComboLeg(conId=6, ratio=2, action="SELL", exchange="SMART", openClose=1, exemptCode=4),
    ]
    return ib_insync.Contract(secType="BAG", symbol="NVDA", exchange="SMART", currency="USD", comboLegs=legs)


def limit(**extra: Any) -> Any:
    return ib_insync.LimitOrder("BUY", 100, 140.05, orderRef="BFABC", account="DU1", tif="DAY", **extra)


def conditioned() -> Any:
    conditions = [
        ib_insync.PriceCondition(price=1.5, conId=5, exch="SMART", triggerMethod=2),
        ib_insync.TimeCondition(isMore=False, time="20260302 10:00:00").Or(),
        ib_insync.MarginCondition(percent=30),
        ib_insync.ExecutionCondition(secType="STK", exch="SMART", symbol="NVDA"),
        ib_insync.VolumeCondition(volume=1000, conId=5, exch="SMART"),
        ib_insync.PercentChangeCondition(changePercent=2.5, conId=5, exch="SMART"),
    ]
    return limit(conditions=conditions, conditionsIgnoreRth=True, conditionsCancelOrder=True)


ORDERS: dict[str, tuple[Any, Any]] = {
    "market": (STK, ib_insync.MarketOrder("SELL", 7, orderRef="BFX")),
    "limit": (OPT, limit()),
    "stop": (STK, ib_insync.StopOrder("SELL", 5, 139.5)),
    "stop_limit": (STK, ib_insync.StopLimitOrder("SELL", 5, 139.0, 139.5)),
    "trail": (STK, ib_insync.Order(action="SELL", totalQuantity=1, orderType="TRAIL", trailingPercent=1.5)),
    "what_if": (STK, limit(whatIf=True)),
    "bracket_child": (STK, limit(parentId=3, transmit=False, ocaGroup="g", ocaType=1)),
    "bag": (
        bag(),
        limit(
            orderComboLegs=[ib_insync.OrderComboLeg(1.5), ib_insync.OrderComboLeg()],
            smartComboRoutingParams=[ib_insync.TagValue("NonGuaranteed", "1")],
        ),
    ),
    "conditions": (STK, conditioned()),
    "algo": (
        STK,
        limit(algoStrategy="Adaptive", algoParams=[ib_insync.TagValue("adaptivePriority", "Normal")], algoId="a1"),
    ),
    "scale": (STK, limit(scaleInitLevelSize=5, scalePriceIncrement=0.25, scaleAutoReset=True, scaleInitPosition=3)),
    "hedge": (STK, limit(hedgeType="D", hedgeParam="x")),
    "volatility": (
        OPT,
        ib_insync.Order(
            action="BUY", totalQuantity=1, orderType="VOL", volatility=0.4, volatilityType=2,
            deltaNeutralOrderType="LMT", deltaNeutralAuxPrice=1.5, deltaNeutralConId=9, continuousUpdate=True,
        ),
    ),
    "benchmark": (
        STK,
        ib_insync.Order(
            action="BUY", totalQuantity=1, orderType="PEG BENCH", referenceContractId=4, peggedChangeAmount=0.5,
            referenceExchangeId="X",
        ),
    ),
    "peg_best": (
        ATS,
        ib_insync.Order(
            action="BUY", totalQuantity=1, orderType="PEG BEST", minTradeQty=1, minCompeteSize=2,
            competeAgainstBestOffset=math.inf, midOffsetAtWhole=0.01, midOffsetAtHalf=0.005,
        ),
    ),
    "peg_mid": (
        STK, ib_insync.Order(action="BUY", totalQuantity=1, orderType="PEG MID", midOffsetAtWhole=0.01),
    ),
    "adjusted": (
        STK,
        ib_insync.Order(
            action="SELL", totalQuantity=1, orderType="STP", auxPrice=139, adjustedOrderType="TRAIL",
            triggerPrice=141.0, adjustedStopPrice=138.0, adjustedTrailingAmount=0.5, adjustableTrailingUnit=1,
        ),
    ),
    "rare": (
        STK,
        limit(
            softDollarTier=ib_insync.SoftDollarTier("n", "v", ""), cashQty=1000.0, extOperator="op", outsideRth=True,
            orderMiscOptions=[ib_insync.TagValue("k", "v")], discretionaryAmt=0.02, goodTillDate="20260303 10:00:00",
            modelCode="M", faProfile="p", minQty=5, duration=30, postToAts=1, autoCancelParent=True,
            advancedErrorOverride="8229", manualOrderTime="20260302 10:00:00", usePriceMgmtAlgo=True,
        ),
    ),
}  # fmt: skip
LATE = {
    "duration": 158,
    "postToAts": 160,
    "autoCancelParent": 162,
    "advancedErrorOverride": 166,
    "manualOrderTime": 169,
}
PEGGED = {"minTradeQty", "minCompeteSize", "competeAgainstBestOffset", "midOffsetAtWhole", "midOffsetAtHalf"}
NOT_SENT = {
    "orderId", "clientId", "permId", "basisPoints", "basisPointsType", "autoCancelDate", "filledQuantity",
    "refFuturesConId", "shareholder", "imbalanceOnly", "routeMarketableToBbo", "parentPermId", "softDollarTier",
}  # fmt: skip


def encoded(contract: Any, order: Any, version: int, order_id: int = 11) -> list[str]:
    client = EncodingClient(version)
    client.placeOrder(order_id, contract, order)
    return split_fields(client.payloads[0])


def received(contract: Any, order: Any, version: int) -> dict[str, Any]:
    number, *rest = encoded(contract, order, version)
    assert number == "3"
    return PLACE_ORDER.decode(rest, version)


def normal(value: Any) -> Any:
    """ib_insync's value as the wire's: its unset numbers are None, its objects are mappings."""
    if value is None or value == "" or (isinstance(value, float) and value == UNSET_DOUBLE) or value == UNSET_INTEGER:
        return None
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, ib_insync.TagValue):
        return {"tag": value.tag, "value": value.value}
    if isinstance(value, ib_insync.OrderComboLeg):
        return normal(value.price)
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", list(ORDERS))
def test_every_field_of_the_order_arrives(name: str, version: int) -> None:
    contract, order = ORDERS[name]
    values = received(contract, order, version)
    for field in fields(order):
        if field.name in NOT_SENT or (version < 170 and field.name in PEGGED):
            continue
        if version < LATE.get(field.name, 0):
            assert field.name not in values
            continue
        sent = normal(getattr(order, field.name))
        if field.name == "orderMiscOptions":
            assert values[field.name] == {item["tag"]: item["value"] for item in sent}
        elif field.name in values:
            assert normal(values[field.name]) == sent, field.name
        else:
            assert sent in (None, 0, False, []) or field.default == getattr(order, field.name), field.name
    for field_name in ("conId", "symbol", "secType", "strike", "exchange", "primaryExchange", "currency"):
        assert values[field_name] == getattr(contract, field_name)
    legs = [asdict(leg) for leg in contract.comboLegs]
    assert values.get("comboLegs", []) == legs
    assert (values["softDollarTierName"], values["softDollarTierVal"]) == (
        order.softDollarTier.name,
        order.softDollarTier.val,
    )


def test_field_counts_are_the_measured_ones() -> None:
    contract, order = ib_insync.Stock("NVDA", "SMART", "USD"), limit()
    assert len(encoded(contract, order, 157)) == 110
    assert len(encoded(contract, order, 176)) == 115
    assert REQUEST_BY_NUMBER[3].encode({"orderId": 1}, 178).count(b"\0") == 114


def test_a_field_too_many_or_too_few_is_an_error_that_says_where() -> None:
    _, *rest = encoded(STK, limit(), 176)
    with pytest.raises(FieldError, match=r"1 fields left over after 114 of 115, beginning 'x'"):
        PLACE_ORDER.decode([*rest, "x"], 176)
    with pytest.raises(FieldError, match="the message ends after 113 fields, before manualOrderTime"):
        PLACE_ORDER.decode(rest[:-1], 176)
    with pytest.raises(FieldError):
        PLACE_ORDER.decode(rest, 157)


def test_the_official_clients_unset_sentinels_mean_unset() -> None:
    """ibapi 9.81 writes the largest double where ib_insync leaves the field empty."""
    _, *rest = encoded(STK, limit(), 157)
    expected = PLACE_ORDER.decode(rest, 157)
    texts = dict(zip(("triggerPrice", "lmtPriceOffset", "cashQty"), (UNSET_DOUBLE,) * 3, strict=True))
    spelled = PLACE_ORDER.encode({**expected, **texts}, 157).decode().split("\0")[1:-1]
    assert spelled.count("1.7976931348623157E308") == 3
    lower = [text.replace("E308", "e+308") for text in spelled]
    assert PLACE_ORDER.decode(spelled, 157) == PLACE_ORDER.decode(lower, 157) == expected


@pytest.mark.parametrize(
    ("position", "text", "message"),
    [
        (16, "many", "totalQuantity: 'many' is not a number"),
        (16, "nan", "totalQuantity: 'nan' is not a number"),
        (16, "1e999", "totalQuantity: '1e999' is beyond the range of a double"),
        (0, "", "orderId: '' is not an id"),
        (0, "1.5", "orderId: '1.5' is not a whole number"),
        (1, "9" * 30, "does not fit 64 bits"),
    ],
)
def test_a_bad_field_is_named_with_its_value(position: int, text: str, message: str) -> None:
    _, *rest = encoded(STK, limit(), 176)
    rest[position] = text
    with pytest.raises(FieldError, match=message):
        PLACE_ORDER.decode(rest, 176)


def test_an_unreadable_order_still_gives_its_id() -> None:
    _, *rest = encoded(STK, limit(), 176)
    assert request_id(PLACE_ORDER, rest[:40], 176) == 11
    assert request_id(PLACE_ORDER, ["x"], 176) == -1
    assert request_id(REQUEST_BY_NAME["reqMktData"], ["11", "42", "junk"], 176) == 42
    assert request_id(REQUEST_BY_NAME["reqPositions"], ["1"], 176) == -1


def test_a_condition_of_an_unknown_type_is_refused() -> None:
    _, *rest = encoded(STK, conditioned(), 176)
    place = rest.index("6", 60)
    assert rest[place + 1] == "1"
    with pytest.raises(FieldError, match="condType 9 is none of"):
        PLACE_ORDER.decode([*rest[: place + 1], "9", *rest[place + 2 :]], 176)


@given(st.lists(st.text(max_size=12), max_size=130), st.sampled_from(VERSIONS))
@settings(max_examples=150, deadline=None)
def test_random_fields_never_raise_anything_but_a_field_error(texts: list[str], version: int) -> None:
    for spec in REQUEST_BY_NUMBER.values():
        try:
            spec.decode(texts, version)
        except FieldError:
            request_id(spec, texts, version)


def view_of(request: Any) -> OrderView:
    return OrderView(2, 11, 99, STOCK, request, OrderStatus.SUBMITTED, 0.0, request.quantity, 0.0, 0.0)


@pytest.mark.parametrize("name", list(ORDERS))
def test_the_echo_of_an_order_is_the_order_also_after_it_was_stored_as_json(name: str) -> None:
    contract, order = ORDERS[name]
    request = order_request(received(contract, order, 176))
    assert json.loads(json.dumps(dict(request.attributes), allow_nan=False)) == request.attributes
    payload = RESPONSE_BY_NAME["openOrder"].encode(open_order_values(view_of(request)), 176)
    ((_, (_, echoed_contract, echoed, _)),) = decode(payload, 176)
    assert (echoed.clientId, echoed.permId, echoed.orderId) == (2, 99, 11)
    assert plain(echoed_contract.comboLegs) == plain(contract.comboLegs)
    never_echoed = NOT_SENT | {
        "transmit", "overridePercentageConstraints", "scaleTable", "activeStartTime", "activeStopTime", "algoId",
        "orderMiscOptions", "extOperator", "advancedErrorOverride", "manualOrderTime", "tif",
    }  # fmt: skip
    for field in fields(order):
        if field.name in never_echoed:
            continue
        sent = getattr(order, field.name)
        if field.name in ("lmtPrice", "auxPrice") and sent == UNSET_DOUBLE:
            sent = 0.0
        if field.name == "volatility" and sent is None:
            sent = UNSET_DOUBLE  # ib_async clears it in any order that is no VOL order
        assert plain(getattr(echoed, field.name)) == plain(sent), field.name


def test_what_the_world_gets_and_what_the_journal_shows() -> None:
    request = order_request(received(OPT, limit(), 176))
    assert request.contract == ContractQuery(
        symbol="NVDA", sec_type="OPT", expiry="20260320", strike=142.5, right="C", multiplier="100",
        exchange="SMART", currency="USD",
    )  # fmt: skip
    assert (request.action, request.quantity, request.order_type, request.limit_price) == ("BUY", 100.0, "LMT", 140.05)
    assert (request.order_ref, request.account, request.tif, request.aux_price) == ("BFABC", "DU1", "DAY", None)
    shown = readable(PLACE_ORDER, received(OPT, ib_insync.MarketOrder("BUY", 1), 176))
    assert {"orderId", "orderRef", "action", "totalQuantity", "orderType", "lmtPrice", "account"} <= set(shown)
    assert "hidden" not in shown and "faGroup" not in shown
