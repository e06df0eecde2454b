"""Every message the gateway sends, read by the library's own decoder at every version it speaks, field by field.

The library is ib_insync here, and ib_async in an environment that has that instead (tests/conformance).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from bifrost_simulator.wire.fields import FieldError
from bifrost_simulator.wire.layout import NEWEST_VERSION, OLDEST_VERSION
from bifrost_simulator.wire.messages import REQUESTS, RESPONSE_BY_NAME, RESPONSES

from tests.simulator.wire_golden_fine import FINE_SAMPLES
from tests.simulator.wire_golden_samples import BAR, BAR_OBJECT, C11, VERSIONS
from tests.simulator.wire_golden_samples import SAMPLES as SAMPLES_OF_ALL
from tests.simulator.wire_ib import decode, ib_insync, plain

SAMPLES = [*SAMPLES_OF_ALL, *FINE_SAMPLES]
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


def test_a_price_that_may_be_revised_is_told_from_178() -> None:
    ((_, values, _, _),) = [sample for sample in SAMPLES if sample[0] == "execDetails"]
    for version in VERSIONS:
        payload = RESPONSE_BY_NAME["execDetails"].encode({**values, "pendingPriceRevision": True}, version)
        ((_, (_, _, execution)),) = decode(payload, version)
        assert bool(getattr(execution, "pendingPriceRevision", False)) == (version >= 178)


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
