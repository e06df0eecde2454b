"""The catalogue in words: for ``GET /faults`` and ``inject list``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from bifrost_simulator.faults.registry import REGISTRY


def catalogue() -> dict[str, dict[str, Any]]:
    """Every fault by name: what it does, and its parameters as JSON schema."""
    return {
        name: {"about": inspect.cleandoc(kind.__doc__ or ""), "parameters": kind.parameters_type.model_json_schema()}
        for name, kind in sorted(REGISTRY.items())
    }


def catalogue_lines(known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The catalogue as text: a fault a paragraph, a parameter a line."""
    for name, fault in known.items():
        yield f"{name}: {fault['about'].splitlines()[0]}"
        for parameter, schema in fault["parameters"].get("properties", {}).items():
            yield f"    {parameter}{_default(schema)}  {schema.get('description', '')}".rstrip()


def _default(schema: Mapping[str, Any]) -> str:
    """``=0.5`` for a default; what may stand there instead, in brackets, for a choice."""
    choices = schema.get("enum") or next((part["enum"] for part in schema.get("anyOf", ()) if "enum" in part), None)
    shown = "" if schema.get("default") in (None, "") else f"={schema['default']}"
    return f"{shown} [{'|'.join(map(str, choices))}]" if choices else shown
