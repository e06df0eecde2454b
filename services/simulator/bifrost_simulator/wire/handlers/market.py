"""Market data, history, and the clock."""

from __future__ import annotations

from bifrost_simulator.api import BrokerError, HistoricalRequest
from bifrost_simulator.wire.contracts import contract_query
from bifrost_simulator.wire.handlers.base import Call, Handler, ignore
from bifrost_simulator.wire.ticks import option_values
from bifrost_simulator.wire.times import head_text

VALIDATION = 321
CUSTOM_COMPUTATION = 53
"""Tick type of the answers to calculateImpliedVolatility and calculateOptionPrice."""


def _market_data(call: Call) -> None:
    values = call.values
    snapshot = values["snapshot"]
    generic_ticks = _generic_ticks(values["genericTickList"])
    if snapshot and generic_ticks:
        raise BrokerError(
            VALIDATION,
            "Error validating request.-'bM' : cause - Snapshot market data subscription is not applicable "
            "to generic ticks",
        )
    call.world.subscribe(
        call.client_id,
        call.req_id,
        contract_query(values),
        generic_ticks=generic_ticks,
        snapshot=snapshot,
        regulatory=values["regulatorySnapshot"],
    )


def _generic_ticks(text: str) -> tuple[int, ...]:
    """Parse ``100,101,236``; ``mdoff`` and news providers (``292:BRFG``) mean nothing here."""
    entries = (entry.strip().partition(":")[0] for entry in text.split(","))
    return tuple(int(entry) for entry in entries if entry.isascii() and entry.isdigit() and len(entry) < 6)


def _cancel_market_data(call: Call) -> None:
    call.world.unsubscribe(call.client_id, call.req_id)


def _market_data_type(call: Call) -> None:
    call.world.set_market_data_type(call.client_id, call.values["marketDataType"])


def _historical_data(call: Call) -> None:
    values = call.values
    request = HistoricalRequest(
        contract=contract_query(values),
        end=values["endDateTime"],
        duration=values["durationStr"],
        bar_size=values["barSizeSetting"],
        what_to_show=values["whatToShow"],
        use_rth=values["useRTH"],
        keep_up_to_date=values["keepUpToDate"],
    )
    # Known before the world answers: a keepUpToDate bar may follow at once.
    call.session.subscriptions.bar_formats[call.req_id] = values["formatDate"]
    try:
        series = call.world.historical_bars(call.client_id, call.req_id, request)
    except BrokerError:
        call.session.subscriptions.bar_formats.pop(call.req_id, None)
        raise
    if series is not None:
        call.roster.on_historical_bars(call.client_id, call.req_id, series, request.keep_up_to_date)


def _cancel_historical_data(call: Call) -> None:
    call.session.subscriptions.bar_formats.pop(call.req_id, None)
    call.world.cancel_historical(call.client_id, call.req_id)


def _head_timestamp(call: Call) -> None:
    values = call.values
    moment = call.world.head_timestamp(contract_query(values), values["whatToShow"], values["useRTH"])
    call.send("headTimestamp", reqId=call.req_id, headTimestamp=head_text(moment, values["formatDate"]))


def _real_time_bars(call: Call) -> None:
    values = call.values
    call.world.subscribe_real_time_bars(
        call.client_id, call.req_id, contract_query(values), values["whatToShow"], values["useRTH"]
    )


def _cancel_real_time_bars(call: Call) -> None:
    call.world.cancel_real_time_bars(call.client_id, call.req_id)


def _implied_volatility(call: Call) -> None:
    price, underlying = _both_numbers(call, "optionPrice", "underPrice")
    tick = call.world.implied_volatility(contract_query(call.values), price, underlying)
    call.answer("tickOptionComputation", {**option_values(call.req_id, tick), "tickType": CUSTOM_COMPUTATION})


def _option_price(call: Call) -> None:
    volatility, underlying = _both_numbers(call, "volatility", "underPrice")
    tick = call.world.option_price(contract_query(call.values), volatility, underlying)
    call.answer("tickOptionComputation", {**option_values(call.req_id, tick), "tickType": CUSTOM_COMPUTATION})


def _both_numbers(call: Call, *names: str) -> tuple[float, float]:
    for name in names:
        if call.values[name] is None:
            raise BrokerError(VALIDATION, f"Error validating request.-'{name}' : a number is missing")
    first, second = (float(call.values[name]) for name in names)
    return first, second


def _current_time(call: Call) -> None:
    call.send("currentTime", time=int(call.world.now().timestamp()))


MARKET_HANDLERS: dict[str, Handler] = {
    "reqMktData": _market_data,
    "cancelMktData": _cancel_market_data,
    "reqMarketDataType": _market_data_type,
    "reqHistoricalData": _historical_data,
    "cancelHistoricalData": _cancel_historical_data,
    "reqHeadTimestamp": _head_timestamp,
    "cancelHeadTimestamp": ignore,
    "reqRealTimeBars": _real_time_bars,
    "cancelRealTimeBars": _cancel_real_time_bars,
    "calculateImpliedVolatility": _implied_volatility,
    "calculateOptionPrice": _option_price,
    "cancelCalculateImpliedVolatility": ignore,
    "cancelCalculateOptionPrice": ignore,
    "reqCurrentTime": _current_time,
    "setServerLogLevel": ignore,
}
