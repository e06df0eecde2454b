"""Every message the gateway sends at 157, read by IB's own decoder, field by field.

The frames go to ibapi's environment in one go; what its decoder calls back is compared with the same samples that
ib_insync and ib_async are held to.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME, RESPONSES

from tests.conformance.environments import ROOT, environment, python_of
from tests.simulator.test_wire_golden_orders import COMPLETED_ONLY, GROUPS, LEG, OPEN_ONLY, ORDER, STATE
from tests.simulator.wire_golden_fine import FINE_SAMPLES, SECOND
from tests.simulator.wire_golden_samples import BAR, C11
from tests.simulator.wire_golden_samples import SAMPLES as SAMPLES_OF_ALL
from tests.simulator.wire_ib import plain

VERSION = 157
COMPLETED = {"status": "Filled", "completedTime": "20260302 10:00:00 America/New_York", "completedStatus": "Filled"}
DETAILS = {
    "marketName": "NVDA",
    "minTick": 0.01,
    "orderTypes": "LMT,MKT",
    "validExchanges": "SMART,AMEX",
    "priceMagnifier": 1,
    "underConId": 5,
    "longName": "NVIDIA",
    "contractMonth": "202603",
    "industry": "Technology",
    "category": "Semiconductors",
    "subcategory": "Chips",
    "timeZoneId": "US/Eastern",
    "tradingHours": "20260302:0930-20260302:1600",
    "liquidHours": "20260302:0930-20260302:1600",
    "evRule": "rule",
    "evMultiplier": 2.0,
    "aggGroup": 2,
    "underSymbol": "NVDA",
    "underSecType": "STK",
    "marketRuleIds": "32,109",
    "realExpirationDate": "20260320",
    "stockType": "COMMON",
}
SAMPLE = {
    "conId": 5,
    "symbol": "NVDA",
    "secType": "STK",
    "primaryExchange": "NASDAQ",
    "currency": "USD",
    "derivativeSecTypes": ["OPT", "BAG"],
}
#: Both are on by default in ibapi, so only "off" shows that they arrive.
OPEN = OPEN_ONLY | {"eTradeOnly": False, "firmQuoteOnly": False}
#: Messages whose callbacks are not those of ib_insync, or that have no sample there.
OWN: dict[str, dict[str, Any]] = {
    "error": {"reqId": -1, "code": 2104, "text": "Market data farm connection is OK:usfarm"},
    "contractDetails": {
        "reqId": 7, **C11, **DETAILS, "primaryExchange": "AMEX", "mdSizeMultiplier": 100,
        "secIdList": [{"tag": "ISIN", "value": "US67066G1040"}],
    },
    "historicalData": {"reqId": 7, "start": "a", "end": "b", "bars": [{**BAR, "count": 12}] * 2},
    "symbolSamples": {"reqId": 7, "contracts": [SAMPLE, SAMPLE]},
    "openOrder": {"orderId": 5, **C11, **ORDER, **OPEN, **STATE, **GROUPS, "comboLegsDescrip": "legs"},
    "completedOrder": {**C11, **ORDER, **COMPLETED_ONLY, **GROUPS, **COMPLETED},
}  # fmt: skip
SAMPLES = [*SAMPLES_OF_ALL, *FINE_SAMPLES]
FRAMES = {name: values for name, values, *_ in SAMPLES} | OWN

Calls = list[tuple[str, list[Any]]]


@pytest.fixture(scope="module")
def heard() -> dict[str, Calls]:
    """Message name → what IB's decoder calls back for its frame."""
    frames = [[VERSION, RESPONSE_BY_NAME[name].encode(values, VERSION).decode()] for name, values in FRAMES.items()]
    done = subprocess.run(
        [str(python_of("ibapi")), "-m", "tests.conformance.decode_ibapi"],
        input=json.dumps(frames), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: [(call, args) for call, args in calls] for name, calls in zip(FRAMES, found, strict=True)}


def shown(value: Any) -> Any:
    """An expected value of ib_insync's as the decoding process shows its own: objects as dicts of what is set."""
    named = plain(value)
    if isinstance(named, tuple):
        return named[1]
    return [shown(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_every_message_has_a_frame() -> None:
    assert set(FRAMES) == {spec.name for spec in RESPONSES}


DIFFERENT = {"tickPrice", "execDetails", "securityDefinitionOptionParameter", "marketRule", "newsProviders"}
DIFFERENT |= {name for name, *_ in FINE_SAMPLES}
SAME = [(name, callback, args) for name, _, callback, args in SAMPLES if name not in DIFFERENT]


@pytest.mark.parametrize(("name", "callback", "args"), SAME, ids=[name for name, *_ in SAME])
def test_ibapi_reads_what_ib_insync_reads(
    heard: dict[str, Calls], name: str, callback: str, args: tuple[Any, ...]
) -> None:
    ((called, arguments),) = heard[name]
    assert (called, arguments) == (callback, shown(args))


def test_a_price_comes_with_its_size(heard: dict[str, Calls]) -> None:
    assert heard["tickPrice"] == [("tickPrice", [7, 1, 140.05, {"canAutoExecute": True}]), ("tickSize", [7, 0, 300])]


def test_the_order_book_and_its_exchanges(heard: dict[str, Calls]) -> None:
    assert heard["updateMktDepth"] == [("updateMktDepth", [7, 0, 1, 1, 140.05, 300])]
    assert heard["updateMktDepthL2"] == [("updateMktDepthL2", [7, 0, "NASDAQ", 1, 1, 140.05, 300, True])]
    ((_, (((exchange),),)),) = heard["mktDepthExchanges"]
    assert (exchange["exchange"], exchange["secType"], exchange["serviceDataType"]) == ("NASDAQ", "STK", "Deep")


def test_single_and_past_ticks(heard: dict[str, Calls]) -> None:
    assert heard["tickByTick"] == [("tickByTickMidPoint", [7, SECOND, 140.075])]
    wanted = {
        "historicalTicks": {"time": SECOND, "price": 140.05},
        "historicalTicksBidAsk": {
            "time": SECOND,
            "priceBid": 140.05,
            "priceAsk": 140.1,
            "sizeBid": 300,
            "sizeAsk": 200,
        },
        "historicalTicksLast": {"time": SECOND, "price": 140.05, "size": 100, "exchange": "NASDAQ"},
    }
    for name, row in wanted.items():
        ((called, (req_id, (tick,), done)),) = heard[name]
        assert (called, req_id, done) == (name, 7, True)
        assert {key: tick[key] for key in row} == row, name


def test_the_underlying_of_a_chain_is_a_number(heard: dict[str, Calls]) -> None:
    expected = [7, "SMART", 5, "NVDA", "100", ["20260320", "20260417"], [137.5, 140.0]]
    assert heard["securityDefinitionOptionParameter"] == [("securityDefinitionOptionParameter", expected)]


def test_a_market_rule(heard: dict[str, Calls]) -> None:
    steps = [{"increment": 0.01}, {"lowEdge": 3.0, "increment": 0.05}]
    assert heard["marketRule"] == [("marketRule", [26, steps])]


def test_news_providers(heard: dict[str, Calls]) -> None:
    assert heard["newsProviders"] == [("newsProviders", [[{"code": "BRFG", "name": "Briefing.com"}]])]


def test_an_execution(heard: dict[str, Calls]) -> None:
    ((called, (req_id, contract, execution)),) = heard["execDetails"]
    assert (called, req_id, contract) == ("execDetails", -1, C11)
    assert execution == {
        "execId": "0000e0d5.00000001.01.01", "time": "20260302 10:00:00 America/New_York", "acctNumber": "DU1",
        "exchange": "ISLAND", "side": "BOT", "shares": 100.0, "price": 140.05, "permId": 99, "clientId": 2,
        "orderId": 5, "cumQty": 100.0, "avgPrice": 140.05, "orderRef": "BFABC", "lastLiquidity": 2,
    }  # fmt: skip


def test_an_error(heard: dict[str, Calls]) -> None:
    assert heard["error"] == [("error", [-1, 2104, "Market data farm connection is OK:usfarm"])]


def test_contract_details(heard: dict[str, Calls]) -> None:
    ((called, (req_id, details)),) = heard["contractDetails"]
    assert (called, req_id) == ("contractDetails", 7)
    assert details.pop("contract") == {**C11, "primaryExchange": "AMEX"}
    assert details.pop("secIdList") == [{"tag": "ISIN", "value": "US67066G1040"}]
    assert details == DETAILS | {"mdSizeMultiplier": 100}


def test_bars_end_by_themselves(heard: dict[str, Calls]) -> None:
    *bars, end = heard["historicalData"]
    expected = {key: BAR[key] for key in ("date", "open", "high", "low", "close", "volume")}
    assert bars == [("historicalData", [7, {**expected, "average": BAR["wap"], "barCount": 12}])] * 2
    assert end == ("historicalDataEnd", [7, "a", "b"])


def test_symbol_samples(heard: dict[str, Calls]) -> None:
    ((called, (req_id, found)),) = heard["symbolSamples"]
    assert (called, req_id, len(found)) == ("symbolSamples", 7, 2)
    contract = {key: value for key, value in SAMPLE.items() if key != "derivativeSecTypes"}
    assert found[0] == {"contract": contract, "derivativeSecTypes": ["OPT", "BAG"]}


def check_order(order: dict[str, Any], contract: dict[str, Any], sample: dict[str, Any]) -> None:
    """Every sampled order field and every group arrived in its own attribute, and nothing else did."""
    order.pop("softDollarTier")
    legs = [price if price is None else {"price": price} for price in GROUPS["orderComboLegs"]]
    groups = {
        "orderComboLegs": [leg or {} for leg in legs],
        "smartComboRoutingParams": GROUPS["smartComboRoutingParams"],
        "algoParams": GROUPS["algoParams"],
        "conditions": [_condition(sent) for sent in GROUPS["conditions"]],
    }
    assert order == {**sample, **groups}
    assert contract.pop("comboLegs") == [LEG, LEG]
    assert contract.pop("deltaNeutralContract") == GROUPS["deltaNeutralContract"]
    contract.pop("comboLegsDescrip", None)
    assert contract == C11


def _condition(sent: dict[str, Any]) -> dict[str, Any]:
    """A condition in ibapi's spelling; a conjunction is its default."""
    fields = {"exchange" if name == "exch" else name: value for name, value in sent.items() if name != "condType"}
    return fields if fields.pop("conjunction") == "a" else fields | {"isConjunctionConnection": False}


def test_an_open_order(heard: dict[str, Calls]) -> None:
    ((called, (order_id, contract, order, state)),) = heard["openOrder"]
    assert (called, order_id, contract["comboLegsDescrip"]) == ("openOrder", 5, "legs")
    check_order(order, contract, {**ORDER, **OPEN, "orderId": 5})
    for field, value in STATE.items():
        assert (float(state[field]) if "Margin" in field or "equity" in field else state[field]) == value, field


def test_a_completed_order(heard: dict[str, Calls]) -> None:
    ((called, (contract, order, state)),) = heard["completedOrder"]
    assert (called, state) == ("completedOrder", COMPLETED)
    check_order(order, contract, {**ORDER, **COMPLETED_ONLY})
