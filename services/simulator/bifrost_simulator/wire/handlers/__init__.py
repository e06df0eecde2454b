"""What the gateway does with each request: one function a message, one module a noun.

A handler reads the decoded values, calls the world and sends the answer; a `BrokerError` that it lets through goes
out as an error frame with the request's id.
"""

from __future__ import annotations

from bifrost_simulator.wire.handlers.accounts import ACCOUNT_HANDLERS
from bifrost_simulator.wire.handlers.base import Call, Handler
from bifrost_simulator.wire.handlers.contracts import CONTRACT_HANDLERS
from bifrost_simulator.wire.handlers.fine import FINE_HANDLERS
from bifrost_simulator.wire.handlers.market import MARKET_HANDLERS
from bifrost_simulator.wire.handlers.orders import ORDER_HANDLERS
from bifrost_simulator.wire.handlers.services import SERVICE_HANDLERS

HANDLERS: dict[str, Handler] = {
    **ACCOUNT_HANDLERS,
    **CONTRACT_HANDLERS,
    **MARKET_HANDLERS,
    **FINE_HANDLERS,
    **ORDER_HANDLERS,
    **SERVICE_HANDLERS,
}

__all__ = ["HANDLERS", "Call", "Handler"]
