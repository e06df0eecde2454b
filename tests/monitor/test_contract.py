"""tests/contract/openapi.json is the API as it stands: the page's types are made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bifrost_monitor.models import base, control, figures, simulator, status, stream, trail
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

CONTRACT = Path(__file__).parents[1] / "contract" / "openapi.json"
MODULES = (base, control, figures, simulator, status, stream, trail)


def frozen() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return document


def models() -> list[type[BaseModel]]:
    found = {value for module in MODULES for value in vars(module).values() if isinstance(value, type)}
    return [kind for kind in found if issubclass(kind, base.Answer) and kind is not base.Answer]


def without_null_defaults(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: without_null_defaults(inner)
            for name, inner in schema.items()
            if not (name == "default" and inner is None)
        }
    return [without_null_defaults(inner) for inner in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("model", sorted(models(), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_the_document_holds_every_model_as_it_is(model: type[BaseModel]) -> None:
    """A model that changed without the document (`make openapi`) would leave the page with other types than it gets."""
    _, made = models_json_schema([(model, "serialization")], ref_template="#/components/schemas/{model}")
    # FastAPI writes no default of null.
    assert without_null_defaults(frozen()["components"]["schemas"][model.__name__]) == without_null_defaults(
        made["$defs"][model.__name__]
    )


def test_every_reference_leads_somewhere() -> None:
    document = frozen()

    def references(part: object) -> list[str]:
        if isinstance(part, list):
            return [found for inner in part for found in references(inner)]
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for inner in part.values() for found in references(inner)]
        return []

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
