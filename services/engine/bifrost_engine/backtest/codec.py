"""Events, what an engine restored, and rules as JSON and back, without loss: a tape that is read holds equal values.

Dataclasses become objects of their fields, enumerations their text, contract keys their key text. The reader goes by
the type annotations of the classes, so a field added to an event is on the next tape without a line here.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from bifrost.contract import ContractKey, parse_contract_key

Decoder = Callable[[Any], Any]
#: Values of which no annotation says what they are (columns of stored rows) carry the name of their type.
_NAMED: dict[type, tuple[str, Callable[[Any], Any], Decoder]] = {
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    tuple: ("tuple", lambda value: [encode(item) for item in value], lambda data: tuple(_plain(item) for item in data)),
}
_BY_NAME = {name: decoder for name, _, decoder in _NAMED.values()}
_TAG = "$"


class CodecError(ValueError):
    """A value that a tape cannot hold, or one that is not what its field says."""


def encode(value: Any) -> Any:
    """``value`` as JSON takes it."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, StrEnum)):
        return value
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, ContractKey):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, frozenset | set):
        return sorted(encode(item) for item in value)
    if isinstance(value, range):
        return [value.start, value.stop]
    raise CodecError(f"a tape cannot hold {value!r}")


def _named(value: Any) -> Any:
    """A value inside a mapping, of which only the value itself tells the type."""
    for kind, (name, write, _) in _NAMED.items():
        if type(value) is kind:
            return {_TAG: name, "v": write(value)}
    if isinstance(value, list):
        return [_named(item) for item in value]
    return encode(value)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        if set(data) == {_TAG, "v"}:
            return _BY_NAME[data[_TAG]](data["v"])
        return {key: _plain(item) for key, item in data.items()}
    if isinstance(data, list):
        return [_plain(item) for item in data]
    return data


@cache
def decoder(kind: Any) -> Decoder:
    """The function that turns JSON into a ``kind`` (a dataclass or any annotation that its fields use)."""
    if kind is Any or kind is object:
        return _plain
    if kind is ContractKey:
        return parse_contract_key
    if kind is range:
        return lambda data: range(*data)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    if isinstance(kind, type) and is_dataclass(kind):
        return _of_dataclass(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_union(inner)
    if origin is tuple:
        item = decoder(inner[0])
        return lambda data: tuple(item(part) for part in data)
    if origin is frozenset:
        item = decoder(inner[0])
        return lambda data: frozenset(item(part) for part in data)
    if origin is not None and issubclass(origin, Mapping):
        if inner[0] is ContractKey:
            value = decoder(inner[1])
            return lambda data: {parse_contract_key(key): value(part) for key, part in data.items()}
        return _plain
    return lambda data: data


def _of_union(inner: tuple[Any, ...]) -> Decoder:
    kinds = [kind for kind in inner if kind is not type(None)]
    if len(kinds) != 1:
        raise CodecError(f"an annotation of several types is not told apart on a tape: {inner}")
    inside = decoder(kinds[0])
    return lambda data: None if data is None else inside(data)


def _of_dataclass(kind: type) -> Decoder:
    hints = get_type_hints(kind)
    parts = {field.name: decoder(hints[field.name]) for field in fields(kind)}

    def build(data: Any) -> Any:
        try:
            return kind(**{name: parts[name](value) for name, value in data.items()})
        except (KeyError, TypeError) as error:
            raise CodecError(f"no {kind.__name__} in {str(data)[:200]}: {error}") from None

    return build
