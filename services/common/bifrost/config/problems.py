"""Turns what pydantic found into problems an operator can act on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from .errors import Problem

_WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text (put it in quotes)",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "finite_number": "must be a finite number",
    "date_from_datetime_parsing": "must be a date YYYY-MM-DD",
    "date_type": "must be a date YYYY-MM-DD",
    "missing": "is missing",
}


def model_below(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that holds the keys under ``path``, None when the path leads elsewhere."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return None
        if part.isdigit():
            continue
        info = current.model_fields.get(part)
        current = _model_in(info.annotation) if info else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def key_paths(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of every leaf key of ``model``; a list counts as one leaf."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from key_paths(annotation, (*prefix, name))
        else:
            yield (*prefix, name)


def unknown_key_message(model: type[BaseModel], path: tuple[str, ...]) -> str:
    """What to say of a key that ``model`` does not have: the nearest one, or the ones there are."""
    holder = model_below(model, path[:-1])
    known = list(holder.model_fields) if holder else []
    near = get_close_matches(path[-1], known, n=1)
    if near:
        return f"unknown key, did you mean {near[0]!r}?"
    elsewhere = [".".join(found) for found in key_paths(model) if found[-1] == path[-1]]
    if elsewhere:
        return f"unknown key here, did you mean {elsewhere[0]!r}?"
    return f"unknown key, known here are {', '.join(known)}" if known else "unknown key"


_SECRET = re.compile(r"password$|token$|^(webhook|ntfy)_url$")
"""Keys whose value is not repeated, not even where it is wrong."""


def from_validation(
    error: ValidationError, model: type[BaseModel], where: Callable[[tuple[str, ...]], str]
) -> list[Problem]:
    """One problem for each finding; ``where`` says which file and line, variable or option set a path."""
    found = []
    for detail in error.errors():
        path = tuple(str(part) for part in detail["loc"])
        found.append(Problem(where(path), ".".join(path), _message(detail, model, path)))
    return found


def _message(detail: Any, model: type[BaseModel], path: tuple[str, ...]) -> str:
    kind = str(detail["type"])
    if kind == "extra_forbidden":
        return unknown_key_message(model, path)
    if kind == "missing":
        return "is missing"
    value = detail["input"]
    secret = isinstance(value, SecretStr) or any(_SECRET.search(name) for name in path)
    shown = "(hidden)" if secret else repr(value)
    text = _WORDS.get(kind) or str(detail["msg"]).removeprefix("Value error, ")
    text = text.replace("Input should be", "must be").replace("Value should", "must")
    return f"{shown} {text}" if text.startswith("must") else f"{shown}: {text}"
