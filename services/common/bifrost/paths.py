"""Where things are: repository, home of a run, secrets, logs, spool, recorded data (contracts.md, "Ports").

Every function takes the environment as an argument so that the launcher and tests can ask for another one's folders.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_SCENARIO = "default"


def _environment(env: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if env is None else env


def _named(env: Mapping[str, str] | None, variable: str) -> Path | None:
    text = _environment(env).get(variable, "").strip()
    return Path(text).expanduser().absolute() if text else None


def repository_root() -> Path:
    """The nearest ancestor of this package that holds ``db/init.sql``, else the working directory.

    An installed package (a container image) has no such ancestor; there the working directory is the root.
    """
    for folder in Path(__file__).resolve().parents:
        if (folder / "db" / "init.sql").is_file():
            return folder
    return Path.cwd()


def scenario_name(env: Mapping[str, str] | None = None) -> str:
    """The name of the scenario in ``BIFROST_SCENARIO`` (its file's stem), ``default`` when none is set."""
    text = _environment(env).get("BIFROST_SCENARIO", "").strip()
    return Path(text).stem if text else DEFAULT_SCENARIO


def home(env: Mapping[str, str] | None = None) -> Path:
    """The folder that holds everything a run keeps: ``$BIFROST_HOME``, else ``.bifrost`` of the repository.

    A scenario other than ``default`` has a home of its own below ``.bifrost/scenarios``.
    """
    named = _named(env, "BIFROST_HOME")
    if named:
        return named
    base = repository_root() / ".bifrost"
    name = scenario_name(env)
    return base if name == DEFAULT_SCENARIO else base / "scenarios" / name


def secrets_dir(env: Mapping[str, str] | None = None) -> Path:
    """Passwords and token, one file each (0600): ``$BIFROST_SECRETS``, else ``secrets`` in the home."""
    return _named(env, "BIFROST_SECRETS") or home(env) / "secrets"


def log_dir(env: Mapping[str, str] | None = None) -> Path:
    """JSON lines of every service: ``$BIFROST_LOG_DIR``, else ``logs`` in the home."""
    return _named(env, "BIFROST_LOG_DIR") or home(env) / "logs"


def spool_dir(env: Mapping[str, str] | None = None) -> Path:
    """Records that wait for the database: ``spool`` in the home."""
    return home(env) / "spool"


def data_dir(env: Mapping[str, str] | None = None) -> Path:
    """Recorded market data: ``$BIFROST_DATA``, else ``data`` of the repository (ignored by git)."""
    return _named(env, "BIFROST_DATA") or repository_root() / "data"


def default_config_file() -> Path:
    """The commented configuration file of the repository; it need not exist."""
    return repository_root() / "config" / "config.yaml"
