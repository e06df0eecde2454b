"""Lays the configuration's layers over each other and judges the result (engine.md section 8, "Precedence")."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bifrost import paths

from .combinations import impossible
from .enums import IbPortType
from .environment import read_environment
from .errors import ConfigError, Problem, ScenarioError
from .problems import from_validation, key_paths, model_below, unknown_key_message
from .scenario import Scenario, find_scenario, load_scenario
from .schema import Config
from .yaml_tree import KeyPath, YamlTree, read_yaml

_HASH_LEAVES_OUT = frozenset(
    {
        "ib.host",
        "ib.port",
        "ib.client_id",
        "ib.connect_timeout",
        "status",
        "clock.url",
        "monitor",
        "notify",
        "pricer",
        "simulator",
        "copilot",
        "shadow_hedgers",
    }
)
_WILDCARDS = ("0.0.0.0", "::", "[::]")


class Layer(StrEnum):
    """Where a value comes from, weakest first."""

    DEFAULT = "default"
    FILE = "file"
    SETTINGS = "settings"
    SCENARIO = "scenario"
    ENV = "env"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class IbSettings:
    """The IB address from table ``settings``."""

    host: str
    port_type: IbPortType

    @property
    def port(self) -> int:
        return self.port_type.port


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The effective configuration and where each key came from.

    Attributes
    ----------
    config : Config
    hash : str
        12 hex digits over the values that decide, without addresses and secrets (``config_summary``).
    sources : dict
        Path of each key (joined by dots) → layer name.
    ib_source : str
        Layer of the IB address as GET /status names it: env, scenario, settings or file.
    file : Path or None
        The file read, None when there was none.
    scenario : Scenario or None
    """

    config: Config
    hash: str
    sources: dict[str, str]
    ib_source: str
    file: Path | None = None
    scenario: Scenario | None = None
    ib_overridden_by: str | None = None
    _origin: Origin | None = field(default=None, repr=False, compare=False)

    @property
    def shown_file(self) -> str:
        """The file as a person would write it; ``defaults`` when there was none."""
        return _shown(self.file) if self.file else "defaults"

    @property
    def origin(self) -> Origin:
        """What it was loaded from, to load it again."""
        return self._origin or Origin()


@dataclass(frozen=True, slots=True)
class Origin:
    """The arguments of a load, kept for `bifrost.config.reload`."""

    path: Path | None = None
    scenario: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    settings: IbSettings | None = None


@dataclass(slots=True)
class _Entry:
    value: Any
    layer: Layer
    where: str


class _Stack:
    """Leaf keys with the strongest value so far, and what is wrong on the way."""

    def __init__(self) -> None:
        self.entries: dict[KeyPath, _Entry] = {}
        self.problems: list[Problem] = []
        self._known = set(key_paths(Config))

    def put(self, path: KeyPath, value: Any, layer: Layer, where: str) -> None:
        if path in self._known:
            self.entries[path] = _Entry(value, layer, where)
        elif model_below(Config, path) is not None:
            self.problems.append(Problem(where, ".".join(path), f"{value!r} must be a mapping of keys"))
        else:
            self.problems.append(Problem(where, ".".join(path), unknown_key_message(Config, path)))

    def put_tree(self, tree: YamlTree, layer: Layer, prefix: str = "") -> None:
        for path, value in self._leaves(tree.values, ()):
            self.put(path, value, layer, tree.where(path) + prefix)

    def _leaves(self, values: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
        for name, value in values.items():
            here = (*path, name)
            if here in self._known or not isinstance(value, dict):
                if value is None and model_below(Config, here) is not None and here not in self._known:
                    continue  # a section whose keys are all commented out
                yield here, value
            elif value and model_below(Config, here) is not None:
                yield from self._leaves(value, here)
            elif model_below(Config, here) is None:
                yield here, value

    def nested(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for path, entry in self.entries.items():
            level = result
            for part in path[:-1]:
                level = level.setdefault(part, {})
            level[path[-1]] = entry.value
        return result

    def where(self, path: KeyPath) -> str:
        """Where the key, or the key that holds it, was set."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.entries:
                return self.entries[path[:length]].where
        return "default"

    def value(self, dotted: str) -> Any:
        entry = self.entries.get(tuple(dotted.split(".")))
        return entry.value if entry else None


def load_config(
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    scenario: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    settings: IbSettings | None = None,
) -> LoadedConfig:
    """Load and validate the configuration.

    Parameters
    ----------
    path : Path, optional
        Configuration file; else ``$BIFROST_CONFIG``, else ``config/config.yaml`` of the repository where it exists.
        A file that is named must exist.
    env : Mapping, optional
        Environment, the process's own by default.
    scenario : Path, optional
        Scenario file; else ``$BIFROST_SCENARIO``.
    overrides : Mapping, optional
        Dotted key → value from the command line.
    settings : IbSettings, optional
        The IB address in table ``settings``.

    Raises
    ------
    ConfigError
        Listing every problem with file, line, key, value and what would be right.
    """
    environment = os.environ if env is None else env
    origin = Origin(path, scenario, dict(overrides or {}), settings)
    stack = _Stack()
    file = _config_file(path, environment)
    if file is not None:
        stack.put_tree(read_yaml(file, _shown(file)), Layer.FILE)
    if settings is not None:
        stack.put(("ib", "host"), settings.host, Layer.SETTINGS, "table settings")
        stack.put(("ib", "port"), settings.port, Layer.SETTINGS, "table settings")
    world = _scenario(scenario, environment)
    if world is not None:
        stack.put_tree(world.overlay, Layer.SCENARIO)
    keys, problems = read_environment(environment)
    stack.problems.extend(problems)
    for key, (variable, value) in keys.items():
        stack.put(key, value, Layer.ENV, variable)
    for dotted, value in origin.overrides.items():
        stack.put(tuple(dotted.split(".")), value, Layer.CLI, f"option {dotted}")
    if world is not None:
        _imply(stack, world)
    config = _validated(stack)
    return LoadedConfig(
        config=config,
        hash=config_hash(config),
        sources=_sources(stack),
        ib_source=_ib_source(stack),
        file=file,
        scenario=world,
        ib_overridden_by=_ib_overridden_by(stack),
        _origin=origin,
    )


def config_from(values: Mapping[str, Any]) -> Config:
    """A configuration from nested ``values`` over the defaults, judged by the same rules; for tests and tools."""
    stack = _Stack()
    stack.put_tree(YamlTree("values", dict(values)), Layer.FILE)
    return _validated(stack)


def config_hash(config: Config) -> str:
    """12 hex digits over the values that decide what the desk does, without addresses, secrets and other services."""
    content = config.model_dump(mode="json")
    for dotted in _HASH_LEAVES_OUT:
        level, *rest = dotted.split(".")
        if rest:
            content[level].pop(rest[0])
        else:
            content.pop(level)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _config_file(path: Path | None, env: Mapping[str, str]) -> Path | None:
    named = path or (Path(env["BIFROST_CONFIG"].strip()) if env.get("BIFROST_CONFIG", "").strip() else None)
    if named is not None:
        named = named.expanduser()
        return named if named.is_absolute() or named.exists() else paths.repository_root() / named
    default = paths.default_config_file()
    return default if default.is_file() else None


def _scenario(path: Path | None, env: Mapping[str, str]) -> Scenario | None:
    text = env.get("BIFROST_SCENARIO", "").strip()
    named = path or (Path(text) if text else None)
    if named is None:
        return None
    if not find_scenario(named).is_file():
        source = "--scenario" if path else "BIFROST_SCENARIO"
        raise ScenarioError([Problem(source, "", f"{named}: no such file; the shipped ones are in config/scenarios")])
    return load_scenario(named)


def _shown(file: Path) -> str:
    """The path as a person would write it: below the repository or the working directory without the way to it."""
    for base in (paths.repository_root(), Path.cwd()):
        if file.is_absolute() and file.is_relative_to(base):
            return str(file.relative_to(base))
    return str(file)


def _imply(stack: _Stack, world: Scenario) -> None:
    """What a scenario means for keys that nothing stronger sets: the simulator is the gateway and the clock."""
    named = stack.value("symbol")
    entry = stack.entries.get(("symbol",))
    if entry and _RANK[entry.layer] >= _RANK[Layer.SCENARIO] and str(named).upper() != world.symbol:
        stack.problems.append(
            Problem(stack.where(("symbol",)), "symbol", f"{named!r} is not the scenario's symbol {world.symbol!r}")
        )
    host = str(stack.value("simulator.host") or Config().simulator.host)
    host = "127.0.0.1" if host in _WILDCARDS else host
    port = stack.value("simulator.port") or Config().simulator.port
    admin_port = stack.value("simulator.admin_port") or Config().simulator.admin_port
    implied: dict[str, Any] = {
        "symbol": world.symbol,
        "ib.host": host,
        "ib.port": port,
        "ib.account": world.accounts[0].id,
        "clock.source": "simulator",
        "clock.url": f"http://{host}:{admin_port}",
    }
    for dotted, value in implied.items():
        path = tuple(dotted.split("."))
        entry = stack.entries.get(path)
        if entry is None or _RANK[entry.layer] < _RANK[Layer.SCENARIO]:
            stack.put(path, value, Layer.SCENARIO, f"scenario {world.name}")


_RANK = {layer: rank for rank, layer in enumerate(Layer)}


def _validated(stack: _Stack) -> Config:
    config: Config | None = None
    problems = list(stack.problems)
    try:
        config = Config.model_validate(stack.nested())
    except ValidationError as error:
        problems.extend(from_validation(error, Config, stack.where))
    if config is not None:
        for dotted, message in impossible(config):
            problems.append(Problem(stack.where(tuple(dotted.split("."))), dotted, message))
    if problems or config is None:
        raise ConfigError(problems)
    return config


def _sources(stack: _Stack) -> dict[str, str]:
    return {
        ".".join(path): str(stack.entries[path].layer if path in stack.entries else Layer.DEFAULT)
        for path in key_paths(Config)
    }


def _ib_address(stack: _Stack) -> list[_Entry]:
    return [stack.entries[key] for key in (("ib", "host"), ("ib", "port")) if key in stack.entries]


def _ib_source(stack: _Stack) -> str:
    strongest = max((entry.layer for entry in _ib_address(stack)), key=_RANK.__getitem__, default=Layer.FILE)
    return {Layer.CLI: "env", Layer.DEFAULT: "file"}.get(strongest, str(strongest))


def _ib_overridden_by(stack: _Stack) -> str | None:
    """What overrides table ``settings``: the variable, option or scenario; None when settings apply."""
    stronger = [entry for entry in _ib_address(stack) if _RANK[entry.layer] > _RANK[Layer.SETTINGS]]
    return ", ".join(sorted({entry.where for entry in stronger})) or None
