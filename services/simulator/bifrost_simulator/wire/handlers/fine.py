"""Order book, tick-by-tick data, historical ticks."""

from __future__ import annotations

from bifrost_simulator.api.fine import HistoricalTicksRequest
from bifrost_simulator.wire.contracts import contract_query
from bifrost_simulator.wire.fine import historical_ticks_message
from bifrost_simulator.wire.handlers.base import Call, Handler


def _depth(call: Call) -> None:
    values = call.values
    call.world.subscribe_depth(call.client_id, call.req_id, contract_query(values), values["isSmartDepth"])


def _cancel_depth(call: Call) -> None:
    call.world.cancel_depth(call.client_id, call.req_id)


def _depth_exchanges(call: Call) -> None:
    rows = [
        {"exchange": one.exchange, "secType": one.sec_type, "serviceDataType": one.service}
        for one in call.world.depth_exchanges()
    ]
    call.send("mktDepthExchanges", descriptions=rows)


def _ticks(call: Call) -> None:
    call.world.subscribe_tick_by_tick(call.client_id, call.req_id, contract_query(call.values), call.values["tickType"])


def _cancel_ticks(call: Call) -> None:
    call.world.cancel_tick_by_tick(call.client_id, call.req_id)


def _historical_ticks(call: Call) -> None:
    values = call.values
    request = HistoricalTicksRequest(
        contract=contract_query(values),
        start=values["startDateTime"],
        end=values["endDateTime"],
        count=values["numberOfTicks"],
        what_to_show=values["whatToShow"],
    )
    name, rows = historical_ticks_message(call.world.historical_ticks(request))
    call.send(name, reqId=call.req_id, ticks=rows, done=True)


FINE_HANDLERS: dict[str, Handler] = {
    "reqMktDepth": _depth,
    "cancelMktDepth": _cancel_depth,
    "reqMktDepthExchanges": _depth_exchanges,
    "reqTickByTickData": _ticks,
    "cancelTickByTickData": _cancel_ticks,
    "reqHistoricalTicks": _historical_ticks,
}
