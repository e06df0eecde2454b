"""YAML read with the line of every key, so that an error can say where it is.

Plain scalars follow YAML 1.2: only ``true``/``false`` are booleans (``on``, ``no`` are words) and ``23:45`` is a text,
where YAML 1.1 would read the number 1425.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError, Problem

KeyPath = tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalar rules above."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+)$"),
    list("-+.0123456789"),
)


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(str(loader.construct_scalar(node)).replace("_", ""))


def _real(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(str(loader.construct_scalar(node)).replace("_", ""))


# A leading zero is decimal here: PyYAML reads 010 as octal 8.
_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


@dataclass(slots=True)
class YamlTree:
    """A mapping read from YAML and the line on which each key (and list item) stands."""

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line_of(self, path: KeyPath) -> int | None:
        """Line of the key, else of its nearest ancestor."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def where(self, path: KeyPath) -> str:
        """``file:line`` of a key."""
        line = self.line_of(path)
        return self.source if line is None else f"{self.source}:{line}"

    def below(self, key: str) -> YamlTree:
        """The mapping under ``key`` as a tree of its own."""
        inner = self.values.get(key) or {}
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,) and len(path) > 1}
        return YamlTree(self.source, inner if isinstance(inner, dict) else {}, lines)


def scalar(text: str) -> Any:
    """Read one value the way the file would."""
    return yaml.load(text, Loader=_Loader)


def written(value: bool | int | float | str) -> str:
    """The text of which `scalar` makes ``value`` again.

    A text stands as it is where it is read as one, quoted where it would be read as something else (``TRUE``, ``1E5``).
    """
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        read = scalar(value)
    except (yaml.YAMLError, ValueError):
        read = None
    return value if read == value else json.dumps(value, ensure_ascii=False)


def read_yaml(path: Path, shown: str | None = None) -> YamlTree:
    """Read the mapping in ``path``.

    Raises
    ------
    ConfigError
        When the file is missing, unreadable, no YAML, no mapping, or names a key twice.
    """
    source = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([Problem(source, "", "no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(source, "", f"cannot be read: {error}")]) from None
    try:
        node = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([Problem(f"{source}:{line}", "", f"no YAML: {error.problem}")]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([Problem(source, "", f"no YAML: {error}")]) from None
    if values is None:
        return YamlTree(source)
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError([Problem(source, "", f"must be a mapping of keys, is a {type(values).__name__}")])
    tree = YamlTree(source, _text_keys(values))
    twice: list[Problem] = []
    for path_, line, repeated in _walk(node, ()):
        if repeated:
            first = tree.lines[path_]
            twice.append(
                Problem(f"{source}:{line}", ".".join(path_), f"stands here a second time, first on line {first}")
            )
        else:
            tree.lines[path_] = line
    if twice:
        raise ConfigError(twice)
    return tree


def _walk(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int, bool]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            name = str(key_node.value)
            here = (*path, name)
            yield here, key_node.start_mark.line + 1, name in seen
            seen.add(name)
            yield from _walk(value_node, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            here = (*path, str(index))
            yield here, item.start_mark.line + 1, False
            yield from _walk(item, here)


def _text_keys(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _text_keys(value) if isinstance(value, dict) else value for key, value in values.items()}
