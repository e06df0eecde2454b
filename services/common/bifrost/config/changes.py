"""What differs between two configurations, and the hot reload (engine.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from .errors import Problem, RestartRequired
from .load import IbSettings, LoadedConfig, load_config
from .problems import key_paths
from .schema import Config

_NEEDS_RESTART = (
    "symbol",
    "ib.host",
    "ib.port",
    "ib.client_id",
    "ib.account",
    "gates.guard.risk.paper_trade",
    "gates.guard.risk.allow_live",
    "status.",
    "clock.",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {self.before} → {self.after}"


def diff(before: Config, after: Config) -> list[Change]:
    """Every key whose value differs, secrets as ``**********``."""
    changes = []
    for path in key_paths(Config):
        old, new = _value(before, path), _value(after, path)
        if old != new:
            shown = [str(value) if isinstance(value, SecretStr) else value for value in (old, new)]
            changes.append(Change(".".join(path), *shown))
    return changes


def restart_required(before: Config, after: Config) -> list[Change]:
    """The changes that only a restart may bring: symbol, account, connection, paper/live, database and clock."""
    return [change for change in diff(before, after) if change.key.startswith(_NEEDS_RESTART)]


def reload(
    current: LoadedConfig, *, env: Mapping[str, str] | None = None, settings: IbSettings | None = None
) -> LoadedConfig:
    """Load again what ``current`` was loaded from, as a whole.

    Raises
    ------
    ConfigError
        The new configuration is wrong; ``current`` stays.
    RestartRequired
        It changes keys that need a restart, so it never turns paper into live; ``current`` stays.
    """
    origin = current.origin
    loaded = load_config(
        origin.path,
        env=env,
        scenario=origin.scenario,
        overrides=origin.overrides,
        settings=settings or origin.settings,
    )
    blocked = restart_required(current.config, loaded.config)
    if blocked:
        raise RestartRequired(
            Problem("reload", change.key, f"{change.before} → {change.after} needs a restart; nothing was changed")
            for change in blocked
        )
    return loaded


def _value(config: Config, path: tuple[str, ...]) -> Any:
    value: Any = config
    for part in path:
        value = getattr(value, part)
    return value
