"""How one message is laid out: a literal list of items that both reads and writes it.

A layout is data: fields in wire order with the server versions between which each exists, and four kinds of
groups (counted, flagged, conditional, by type). The same list decodes what a client sends and encodes what it
would send, so a layout mistake shows in a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from bifrost_simulator.wire.fields import (
    FieldError,
    format_bool,
    format_number,
    format_tags,
    format_text,
    parse_bool,
    parse_float,
    parse_int,
    parse_tags,
    shorten,
)

Values = dict[str, Any]
"""Decoded fields of one message by IB's names; groups are lists of such dicts."""

OLDEST_VERSION = 157
NEWEST_VERSION = 178
DECIMAL_SIZES = 163
"""From this server version sizes may have decimals; before it clients read them as int (gotcha G4)."""


class Kind(StrEnum):
    """What a field holds."""

    ID = "id"  # a whole number that must be there
    INT = "int"
    FLOAT = "float"
    SIZE = "size"  # a quantity that old clients read as int
    BOOL = "bool"
    TEXT = "text"
    TAGS = "tags"  # tag=value;tag=value;


class Reader:
    """Takes fields one after the other; running out or leaving some is an error that says where."""

    __slots__ = ("fields", "position", "version")

    def __init__(self, fields: Sequence[str], version: int) -> None:
        self.fields = fields
        self.position = 0
        self.version = version

    def take(self, name: str) -> str:
        if self.position >= len(self.fields):
            raise FieldError(f"the message ends after {len(self.fields)} fields, before {name}")
        text = self.fields[self.position]
        self.position += 1
        return text

    def take_count(self, name: str, each: int) -> int:
        """Take the count of a group whose members have at least ``each`` fields."""
        text = self.take(f"the count of {name}")
        count = parse_int(text, f"count of {name}") or 0
        left = len(self.fields) - self.position
        if not 0 <= count * max(each, 1) <= left:
            raise FieldError(f"count of {name}: {shorten(text)!r} does not fit the {left} fields that follow")
        return count

    def finish(self) -> None:
        left = len(self.fields) - self.position
        if left:
            shown = ", ".join(repr(shorten(text)) for text in self.fields[self.position : self.position + 3])
            raise FieldError(f"{left} fields left over after {self.position} of {len(self.fields)}, beginning {shown}")


class Item(Protocol):
    """One entry of a layout."""

    @property
    def least(self) -> int: ...

    def applies(self, version: int) -> bool: ...

    def names(self) -> set[str]: ...

    def read(self, reader: Reader, values: Values) -> None: ...

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None: ...


_FORMAT: dict[Kind, Callable[[Any], str]] = {
    Kind.ID: format_number,
    Kind.INT: format_number,
    Kind.FLOAT: format_number,
    Kind.SIZE: format_number,
    Kind.BOOL: format_bool,
    Kind.TEXT: format_text,
    Kind.TAGS: format_tags,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A named field, present on the wire from server version ``since`` up to and including ``until``."""

    name: str
    kind: Kind = Kind.TEXT
    default: Any = None
    since: int = 0
    until: int = 1_000
    least: int = field(default=1, init=False)

    def applies(self, version: int) -> bool:
        return self.since <= version <= self.until

    def names(self) -> set[str]:
        return {self.name}

    def read(self, reader: Reader, values: Values) -> None:
        values[self.name] = self.parse(reader.take(self.name))

    def parse(self, text: str) -> Any:
        """Return the typed value of ``text``; the default stands for an empty or unset one."""
        match self.kind:
            case Kind.TEXT:
                return text or ("" if self.default is None else self.default)
            case Kind.BOOL:
                return parse_bool(text, self.name)
            case Kind.FLOAT | Kind.SIZE:
                number = parse_float(text, self.name)
                return self.default if number is None else number
            case Kind.TAGS:
                return parse_tags(text)
            case _:
                whole = parse_int(text, self.name)
                if whole is None and self.kind is Kind.ID:
                    raise FieldError(f"{self.name}: {shorten(text)!r} is not an id")
                return self.default if whole is None else whole

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        value = values.get(self.name)
        if value is None:
            value = self.default
            if value is None and self.kind is Kind.ID:
                raise FieldError(f"{self.name}: an id must be given")
        if self.kind is Kind.SIZE and version < DECIMAL_SIZES and value is not None:
            value = int(value)
        out.append(_FORMAT[self.kind](value))


@dataclass(frozen=True, slots=True)
class Constant:
    """A field without information: the message's own version number or something obsolete. Skipped when read."""

    text: str
    since: int = 0
    until: int = 1_000
    least: int = field(default=1, init=False)

    def applies(self, version: int) -> bool:
        return self.since <= version <= self.until

    def names(self) -> set[str]:
        return set()

    def read(self, reader: Reader, values: Values) -> None:
        reader.take("a constant field")

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        out.append(self.text)


@dataclass(frozen=True, slots=True)
class Counted:
    """A count and that many members: ``values[name]`` is a list of dicts, or of plain values if one field each."""

    name: str
    items: tuple[Item, ...]
    least: int = field(default=1, init=False)

    def applies(self, version: int) -> bool:
        return True

    def names(self) -> set[str]:
        return {self.name}

    def read(self, reader: Reader, values: Values) -> None:
        items = [item for item in self.items if item.applies(reader.version)]
        members: list[Any] = []
        for _ in range(reader.take_count(self.name, sum(item.least for item in items))):
            member: Values = {}
            for item in items:
                item.read(reader, member)
            members.append(self._plain(member))
        values[self.name] = members

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        members = values.get(self.name) or ()
        out.append(str(len(members)))
        items = [item for item in self.items if item.applies(version)]
        for member in members:
            record = member if isinstance(member, Mapping) else {self._single: member}
            for item in items:
                item.write(out, record, version)

    @property
    def _single(self) -> str:
        only = self.items[0]
        if len(self.items) != 1 or not isinstance(only, Field):
            raise FieldError(f"{self.name}: each member has {len(self.items)} fields and must be a mapping")
        return only.name

    def _plain(self, member: Values) -> Any:
        return next(iter(member.values())) if len(self.items) == 1 and isinstance(self.items[0], Field) else member


@dataclass(frozen=True, slots=True)
class Flagged:
    """A 1/0 flag; on 1 the members follow as ``values[name]`` (a dict), else that is None."""

    name: str
    items: tuple[Item, ...]
    least: int = field(default=1, init=False)

    def applies(self, version: int) -> bool:
        return True

    def names(self) -> set[str]:
        return {self.name}

    def read(self, reader: Reader, values: Values) -> None:
        if not parse_bool(reader.take(self.name), self.name):
            values[self.name] = None
            return
        member: Values = {}
        for item in self.items:
            item.read(reader, member)
        values[self.name] = member

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        member = values.get(self.name)
        out.append("1" if member else "0")
        for item in self.items if member else ():
            item.write(out, member or {}, version)


@dataclass(frozen=True, slots=True)
class When:
    """Items that are on the wire only if what came before says so, and only from ``since``."""

    holds: Callable[[Mapping[str, Any]], bool]
    items: tuple[Item, ...]
    since: int = 0
    least: int = field(default=0, init=False)

    def applies(self, version: int) -> bool:
        return version >= self.since

    def names(self) -> set[str]:
        return {name for item in self.items for name in item.names()}

    def read(self, reader: Reader, values: Values) -> None:
        if self.holds(values):
            for item in self.items:
                if item.applies(reader.version):
                    item.read(reader, values)

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        if self.holds(values):
            for item in self.items:
                if item.applies(version):
                    item.write(out, values, version)


@dataclass(frozen=True, slots=True)
class CountedByType:
    """A count and members that begin with a type number, which decides the fields that follow it."""

    name: str
    tag: str
    layouts: Mapping[int, tuple[Item, ...]]
    least: int = field(default=1, init=False)

    def applies(self, version: int) -> bool:
        return True

    def names(self) -> set[str]:
        return {self.name}

    def read(self, reader: Reader, values: Values) -> None:
        members: list[Values] = []
        for _ in range(reader.take_count(self.name, 2)):
            member: Values = {self.tag: parse_int(reader.take(self.tag), self.tag)}
            for item in self._layout(member[self.tag]):
                item.read(reader, member)
            members.append(member)
        values[self.name] = members

    def write(self, out: list[str], values: Mapping[str, Any], version: int) -> None:
        members = values.get(self.name) or ()
        out.append(str(len(members)))
        for member in members:
            out.append(format_number(member[self.tag]))
            for item in self._layout(member[self.tag]):
                item.write(out, member, version)

    def _layout(self, tag: int | None) -> tuple[Item, ...]:
        layout = self.layouts.get(tag) if tag is not None else None
        if layout is None:
            raise FieldError(f"{self.name}: {self.tag} {tag} is none of {sorted(self.layouts)}")
        return layout


class MessageSpec:
    """One message: its id, its name and its layout.

    Parameters
    ----------
    number : int
        Message id, the first field of the payload.
    name : str
        IB's name of the request or callback.
    items : sequence of Item
        Everything after the id, in wire order, for all versions 157-178.
    """

    def __init__(self, number: int, name: str, *items: Item) -> None:
        self.number = number
        self.name = name
        self.items = items
        self.field_names = frozenset(name for item in items for name in item.names())
        self._plans: dict[int, tuple[Item, ...]] = {}

    def __repr__(self) -> str:
        return f"MessageSpec({self.number}, {self.name!r})"

    def plan(self, version: int) -> tuple[Item, ...]:
        """Return the items that exist at ``version``."""
        plan = self._plans.get(version)
        if plan is None:
            plan = self._plans[version] = tuple(item for item in self.items if item.applies(version))
        return plan

    def decode(self, fields: Sequence[str], version: int) -> Values:
        """Read ``fields`` (without the message id).

        Raises
        ------
        FieldError
            When a field does not parse, the message ends early or fields are left over.
        """
        reader = Reader(fields, version)
        values: Values = {}
        for item in self.plan(version):
            item.read(reader, values)
        reader.finish()
        return values

    def encode(self, values: Mapping[str, Any], version: int) -> bytes:
        """Return the payload (without length prefix); a name that the message does not have is an error."""
        if not self.field_names.issuperset(values):
            unknown = sorted(set(values) - self.field_names)
            raise FieldError(f"{self.name} has no field {', '.join(unknown)}")
        out = [str(self.number)]
        for item in self.plan(version):
            item.write(out, values, version)
        out.append("")
        return "\0".join(out).encode("ascii", "backslashreplace")
