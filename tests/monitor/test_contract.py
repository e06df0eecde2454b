"""tests/contract/openapi.json is the API as it stands: the page's types are made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bifrost_monitor.app import contract_app
from bifrost_monitor.contract import text
from bifrost_monitor.models import base, control, figures, simulator, status, stream, trail
from pydantic import BaseModel

CONTRACT = Path(__file__).parents[1] / "contract" / "openapi.json"
MODULES = (base, control, figures, simulator, status, stream, trail)


def frozen() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return document


def models() -> list[type[BaseModel]]:
    found = {value for module in MODULES for value in vars(module).values() if isinstance(value, type)}
    return [kind for kind in found if issubclass(kind, base.Answer) and kind is not base.Answer]


def test_the_document_is_the_api_as_it_stands() -> None:
    """`make openapi` writes it; the page's types are made from the file (`make web`)."""
    assert CONTRACT.read_text(encoding="utf-8") == text(contract_app()), "run `make openapi` and commit the difference"


@pytest.mark.parametrize("model", sorted(models(), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_model_is_in_the_document(model: type[BaseModel]) -> None:
    """A model that no route answers would be a promise that nobody keeps."""
    assert model.__name__ in frozen()["components"]["schemas"]


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
