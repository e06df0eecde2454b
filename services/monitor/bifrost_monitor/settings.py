"""What the monitor needs to know before it starts: where to listen, whom to answer, with which token."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bifrost import paths
from bifrost.backtest import without_scenario
from bifrost.config.enums import ClockSource
from bifrost.config.load import LoadedConfig, load_config
from bifrost.config.schema import Notify

from .ib_address import IbAddress, ib_address_from

TOKEN_FILE = "token"
"""Name of the operator's token in the secrets folder; the launcher makes and prints the same file."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LOG_SERVICES = ("engine", "pricer", "monitor", "simulator", "backtest", "copilot", "watchlist")
"""Logs that GET /logs may read; nothing else can be named."""


class StartError(Exception):
    """The monitor cannot start as configured; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """Everything that does not change while the monitor runs."""

    host: str
    port: int
    token: str | None = field(repr=False)
    allowed_hosts: frozenset[str]
    read_only: bool
    control_posts_per_minute: int
    log_dir: Path
    ib_address: IbAddress
    simulator_url: str | None = None
    """Admin address of the simulator; None on a desk with a real gateway."""
    notify: Notify = field(default_factory=Notify)
    judge_overrides: Callable[[Mapping[str, object]], object] = field(default=lambda overrides: None, repr=False)
    """Loads a backtest's configuration with these keys changed; raises `ConfigError` for what it does not take."""
    max_body_bytes: int = 64 * 1024

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the socket."""
        return is_loopback(self.host)

    @property
    def cookie_name(self) -> str:
        """One name per port: browsers share a host's cookies between all its ports."""
        return f"bifrost_session_{self.port}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's loopback, by name or by address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_token(env: Mapping[str, str], *, may_make: bool) -> str | None:
    """The operator's token: ``BIFROST_TOKEN``, ``BIFROST_TOKEN_FILE``, the secrets folder, else a new one.

    Raises
    ------
    StartError
        When a named file cannot be read or a token holds blanks or control characters.
    """
    token = env.get("BIFROST_TOKEN", "").strip()
    if token:
        return _usable(token, "BIFROST_TOKEN")
    named = env.get("BIFROST_TOKEN_FILE", "").strip()
    if named:
        try:
            return _usable(Path(named).read_text(encoding="utf-8").strip(), f"BIFROST_TOKEN_FILE={named}")
        except OSError as error:
            raise StartError(f"BIFROST_TOKEN_FILE={named} cannot be read: {error.strerror}") from error
    kept = paths.secrets_dir(env) / TOKEN_FILE
    try:
        if kept.is_file():
            return _usable(kept.read_text(encoding="utf-8").strip(), str(kept))
        return _make_token(kept) if may_make else None
    except OSError as error:
        if may_make:
            return None
        raise StartError(f"the token in {kept} cannot be read: {error.strerror}") from error


def _usable(token: str, source: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or any(mark in token for mark in ' ";,\\'):
        raise StartError(f"the token of {source} must be printable ASCII without blanks, quotes, commas or semicolons")
    return token


def _make_token(path: Path) -> str:
    """Write a new token for its owner alone; another process that was quicker wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _usable(path.read_text(encoding="utf-8").strip(), str(path))
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(token + "\n")
    return token


def monitor_settings(loaded: LoadedConfig, env: Mapping[str, str] | None = None) -> MonitorSettings:
    """Settings of this process.

    Raises
    ------
    StartError
        When the address is not loopback and there is no token (contracts.md, "Roles and secrets").
    """
    environment = os.environ if env is None else env
    section = loaded.config.monitor
    loopback = is_loopback(section.host)
    token = read_token(environment, may_make=loopback)
    if not loopback and token is None:
        raise StartError(
            f"MONITOR_HOST={section.host} can be reached from other machines and there is no token: "
            "set BIFROST_TOKEN or BIFROST_TOKEN_FILE, or use MONITOR_HOST=127.0.0.1"
        )
    hosts = {host.strip().strip("[]").lower() for host in section.allowed_hosts if host.strip()}
    return MonitorSettings(
        host=section.host,
        port=section.port,
        token=token,
        allowed_hosts=frozenset(hosts | LOOPBACK_NAMES | {section.host.strip("[]").lower()}),
        read_only=section.read_only,
        control_posts_per_minute=section.control_posts_per_minute,
        log_dir=paths.log_dir(environment),
        ib_address=ib_address_from(loaded),
        simulator_url=loaded.config.clock.url if loaded.config.clock.source is ClockSource.SIMULATOR else None,
        notify=loaded.config.notify,
        judge_overrides=lambda overrides: _judge(loaded, environment, overrides),
    )


def _judge(loaded: LoadedConfig, env: Mapping[str, str], overrides: Mapping[str, object]) -> None:
    origin = loaded.origin
    load_config(origin.path, env=without_scenario(env), overrides={**origin.overrides, **overrides})
