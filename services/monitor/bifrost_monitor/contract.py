"""The OpenAPI document: what FastAPI makes of the routes, and what it has no words for.

``python -m bifrost_monitor.contract FILE`` writes it (`make openapi`); a test says when it is not what the file holds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bifrost.backtest import BacktestRequest
from bifrost.control import ARGUMENTS
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .ib_address import IbAddressForm
from .models import control, simulator, stream

REF = "#/components/schemas/{model}"
EVENTS: tuple[type[BaseModel], ...] = (
    stream.StatusEvent,
    stream.OperationEvent,
    stream.DecisionEvent,
    stream.PricesEvent,
    stream.ControlEvent,
    stream.ResetEvent,
)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of ``app``, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
        )  # fmt: skip
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_further_schemas())
        made["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "the operator's token; `make token`"}
        }
        _stream_content(made["paths"])
        app.openapi_schema = made
    return app.openapi_schema


def body(*models: type[BaseModel], required: bool = False) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its body by itself, after it has seen who asks."""
    references = [{"$ref": REF.format(model=model.__name__)} for model in models]
    schema: dict[str, Any] = references[0] if len(references) == 1 else {"anyOf": references}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}, **SECURED}


SECURED: dict[str, Any] = {"security": [{"bearer": []}]}
"""``openapi_extra`` of a route that needs the token."""


def _further_schemas() -> dict[str, Any]:
    """Bodies that routes read by themselves, and events, which no response model can name."""
    forms: list[type[BaseModel]] = [
        IbAddressForm,
        control.TestForm,
        simulator.ClockForm,
        simulator.ManualOrderForm,
        BacktestRequest,
    ]
    arguments: list[type[BaseModel]] = list(dict.fromkeys(ARGUMENTS.values()))
    bodies: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in (*arguments, *forms)]
    sent: list[type[BaseModel]] = [*EVENTS, stream.LogEvent]
    events: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in sent]
    _, made = models_json_schema([*bodies, *events], ref_template=REF)
    schemas: dict[str, Any] = dict(sorted(made["$defs"].items()))
    names = [REF.format(model=model.__name__) for model in EVENTS]
    schemas["StreamEvent"] = {
        "title": "StreamEvent",
        "description": "One server-sent event: `event` is its name, `data` the JSON after `data:`.",
        "oneOf": [{"$ref": name} for name in names],
        "discriminator": {
            "propertyName": "event",
            "mapping": {
                str(model.model_json_schema()["properties"]["event"]["const"]): name
                for model, name in zip(EVENTS, names, strict=True)
            },
        },
    }
    return schemas


def _stream_content(paths: dict[str, Any]) -> None:
    """Name the events where FastAPI knows only that text comes."""
    for path, event in (("/stream", "StreamEvent"), ("/logs/{service}", "LogEvent")):
        if path in paths:
            content = paths[path]["get"]["responses"]["200"]["content"]
            content["text/event-stream"] = {"schema": {"$ref": REF.format(model=event)}}


def text(app: FastAPI) -> str:
    """The document as the file holds it: stable, so that a difference shows what changed."""
    return json.dumps(document(app), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(argv: list[str]) -> int:
    """Write the document into the named file."""
    from .app import contract_app

    Path(argv[0]).write_text(text(contract_app()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
