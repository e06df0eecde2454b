"""Services that are not simulated and whose requests bear no id: answered as empty, or their callers wait for ever."""

from __future__ import annotations

from bifrost_simulator.wire.handlers.base import Call, Handler

NO_SCANNERS = '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse></ScanParameterResponse>'


def _news_providers(call: Call) -> None:
    call.send("newsProviders", newsProviders=[])


def _scanner_parameters(call: Call) -> None:
    call.send("scannerParameters", xml=NO_SCANNERS)


SERVICE_HANDLERS: dict[str, Handler] = {
    "reqNewsProviders": _news_providers,
    "reqScannerParameters": _scanner_parameters,
}
