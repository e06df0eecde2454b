"""Configuration keys from the environment (contracts.md, "Ports, environment, folders")."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import SecretStr

from .errors import Problem
from .problems import key_paths, model_below, unknown_key_message
from .schema import Config
from .yaml_tree import KeyPath, scalar

PREFIX = "BIFROST_"

NOT_KEYS = frozenset(
    {
        "BIFROST_TOKEN",
        "BIFROST_TOKEN_FILE",
        "BIFROST_HOME",
        "BIFROST_CONFIG",
        "BIFROST_SCENARIO",
        "BIFROST_SECRETS",
        "BIFROST_LOG_DIR",
        "BIFROST_PG_PORT",
        "BIFROST_DATA",
    }
)
"""Variables that begin like a key and are none."""

NAMED: dict[str, KeyPath] = {
    "IB_HOST": ("ib", "host"),
    "IB_PORT": ("ib", "port"),
    "IB_CLIENT_ID": ("ib", "client_id"),
    "PRICER_IB_CLIENT_ID": ("pricer", "client_id"),
    "COPILOT_IB_CLIENT_ID": ("copilot", "client_id"),
    "SIM_HOST": ("simulator", "host"),
    "SIM_PORT": ("simulator", "port"),
    "SIM_ADMIN_PORT": ("simulator", "admin_port"),
    "MONITOR_HOST": ("monitor", "host"),
    "MONITOR_PORT": ("monitor", "port"),
    "MONITOR_ALLOWED_HOSTS": ("monitor", "allowed_hosts"),
    "PGHOST": ("status", "postgres", "host"),
    "PGPORT": ("status", "postgres", "port"),
    "PGDATABASE": ("status", "postgres", "database"),
    "PGUSER": ("status", "postgres", "user"),
    "PGPASSWORD": ("status", "postgres", "password"),
    "PGPASSWORD_FILE": ("status", "postgres", "password_file"),
}
"""Variables with a name of their own."""


def read_environment(env: Mapping[str, str]) -> tuple[dict[KeyPath, tuple[str, Any]], list[Problem]]:
    """Every key that ``env`` sets: path → (variable, value), and what is wrong with the variables' names.

    An empty value counts as not set, because compose files hand on ``${VAR:-}``.
    """
    keys: dict[KeyPath, tuple[str, Any]] = {}
    problems: list[Problem] = []
    known = set(key_paths(Config))
    for name in sorted(env):
        text = env[name].strip()
        path = _path_of(name)
        if path is None or not text:
            continue
        if path not in known:
            problems.append(Problem(name, ".".join(path), _unknown(name, path)))
            continue
        value = _typed(path, text)
        if path in keys and keys[path][1] != value:
            problems.append(Problem(name, ".".join(path), f"{keys[path][0]} sets the same key to another value"))
            continue
        keys[path] = (name, value)
    # PGPASSWORD beside PGPASSWORD_FILE: libpq's own order, the value wins over the file.
    if ("status", "postgres", "password") in keys:
        keys.pop(("status", "postgres", "password_file"), None)
    return keys, problems


def _path_of(name: str) -> KeyPath | None:
    if name in NAMED:
        return NAMED[name]
    if not name.startswith(PREFIX) or name in NOT_KEYS:
        return None
    return tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))


def _unknown(name: str, path: KeyPath) -> str:
    if model_below(Config, path) is not None:
        return "names a section, not a key"
    if len(path) == 1:
        near = get_close_matches(name, [*NOT_KEYS, *(PREFIX + key.upper() for key in Config.model_fields)], n=1)
        if near:
            return f"unknown variable, did you mean {near[0]}?"
    return unknown_key_message(Config, path)


def _typed(path: KeyPath, text: str) -> Any:
    """Read ``text`` as the key's type asks: text stays text, a list may be written ``a,b`` or as YAML."""
    holder = model_below(Config, path[:-1])
    annotation = holder.model_fields[path[-1]].annotation if holder else None
    if getattr(annotation, "__origin__", None) is tuple:
        if text.startswith("["):
            return scalar(text)
        return [part.strip() for part in text.split(",") if part.strip()]
    if get_origin(annotation) is tuple:
        if text.startswith("["):
            return scalar(text)
        return [part.strip() for part in text.split(",") if part.strip()]
    kinds = {annotation, *get_args(annotation)}
    if str in kinds or SecretStr in kinds:
        return text
    try:
        return scalar(text)
    except Exception:  # not YAML: let the key's own type say what is wrong with the text
        return text
