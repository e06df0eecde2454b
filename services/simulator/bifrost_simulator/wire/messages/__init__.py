"""Every message of the text protocol, server versions 157-178, by id and by name."""

from __future__ import annotations

from bifrost_simulator.wire.layout import MessageSpec
from bifrost_simulator.wire.messages.fine import FINE_REQUESTS, FINE_RESPONSES
from bifrost_simulator.wire.messages.requests import REQUESTS as _REQUESTS
from bifrost_simulator.wire.messages.requests import START_API
from bifrost_simulator.wire.messages.responses import RESPONSES as _RESPONSES

REQUESTS: tuple[MessageSpec, ...] = (*_REQUESTS, *FINE_REQUESTS)
RESPONSES: tuple[MessageSpec, ...] = (*_RESPONSES, *FINE_RESPONSES)

REQUEST_BY_NUMBER: dict[int, MessageSpec] = {spec.number: spec for spec in REQUESTS}
REQUEST_BY_NAME: dict[str, MessageSpec] = {spec.name: spec for spec in REQUESTS}
RESPONSE_BY_NUMBER: dict[int, MessageSpec] = {spec.number: spec for spec in RESPONSES}
RESPONSE_BY_NAME: dict[str, MessageSpec] = {spec.name: spec for spec in RESPONSES}

__all__ = [
    "REQUESTS",
    "REQUEST_BY_NAME",
    "REQUEST_BY_NUMBER",
    "RESPONSES",
    "RESPONSE_BY_NAME",
    "RESPONSE_BY_NUMBER",
    "START_API",
]
