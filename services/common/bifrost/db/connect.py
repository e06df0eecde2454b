"""Connections to PostgreSQL: where to, as whom, with which time-outs.

Parameters come from ``PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD(_FILE)``, else from ``status.postgres.*``
(contracts.md, "Ports, environment, folders"); a service that names no user logs in as its own role, whose password
may also lie in the secrets folder.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import psycopg2
import psycopg2.extensions

from bifrost import paths

from .errors import DatabaseUnavailable, first_line

if TYPE_CHECKING:
    from bifrost.config import Config

Connection: TypeAlias = psycopg2.extensions.connection
Cursor: TypeAlias = psycopg2.extensions.cursor

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 30.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 60.0
# A dead peer is noticed after idle + interval * count = 11 s on either side (database.md, engine_lease).
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 5, 2, 3
UNACKNOWLEDGED_MS = 10_000
#: Class of the shared advisory lock by which a connection shows its epoch to others (see locks.py).
EPOCH_LOCK_CLASS = 0x42460001


@dataclass(frozen=True, slots=True)
class ConnectionParams:
    """Where to connect and as whom."""

    host: str = "127.0.0.1"
    port: int = 5432
    database: str = "options_db"
    user: str = ""
    password: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 5.0

    def __str__(self) -> str:
        return f"database {self.database} at {self.host}:{self.port} as {self.user}"

    @classmethod
    def resolve(
        cls, config: Config | None = None, *, default_user: str = "", env: Mapping[str, str] | None = None
    ) -> ConnectionParams:
        """Merge environment, configuration and defaults.

        Raises
        ------
        DatabaseUnavailable
            When ``PGPORT`` is no port or a named password file cannot be read.
        """
        environment = os.environ if env is None else env
        configured = config.status.postgres if config is not None else None
        defaults = cls()
        user = environment.get("PGUSER") or (configured.user if configured else None) or default_user
        return cls(
            host=environment.get("PGHOST") or (configured.host if configured else defaults.host),
            port=_port(environment.get("PGPORT"), configured.port if configured else defaults.port),
            database=environment.get("PGDATABASE") or (configured.database if configured else defaults.database),
            user=user,
            password=_password(config, user, environment),
            connect_timeout_s=configured.connect_timeout_s if configured else defaults.connect_timeout_s,
        )


def _port(text: str | None, default: int) -> int:
    if not text:
        return default
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise DatabaseUnavailable(f"PGPORT={text!r} is not a port: write a number from 1 to 65535")
    return int(text)


def _password(config: Config | None, user: str, env: Mapping[str, str]) -> str | None:
    if env.get("PGPASSWORD"):
        return env["PGPASSWORD"]
    if env.get("PGPASSWORD_FILE"):
        return _read_password(Path(env["PGPASSWORD_FILE"]), "PGPASSWORD_FILE")
    if config is not None:
        configured = config.status.postgres
        if configured.password is not None:
            return configured.password.get_secret_value()
        if configured.password_file is not None:
            return _read_password(configured.password_file, "status.postgres.password_file")
    kept = paths.secrets_dir(env) / user
    return _read_password(kept, "the secrets folder") if user and kept.is_file() else None


def _read_password(path: Path, named_by: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DatabaseUnavailable(f"password file {path} ({named_by}) cannot be read: {error.strerror}") from error


def connect(
    source: Config | ConnectionParams | None = None,
    *,
    service: str,
    role: str | None = None,
    epoch: int | None = None,
    autocommit: bool = True,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    env: Mapping[str, str] | None = None,
) -> Connection:
    """Open a connection of a service.

    Parameters
    ----------
    source : Config or ConnectionParams, optional
        Configuration (environment wins over it) or complete parameters; the environment alone when None.
    service : str
        ``engine``, ``pricer``, ...: gives ``application_name = bifrost-<service>`` and the default role.
    role : str, optional
        Login used when neither environment nor configuration names one.
    epoch : int, optional
        Lease epoch under which this connection writes.

    Raises
    ------
    DatabaseUnavailable
        Names host, port, database and user and the server's reason; never the password.
    """
    if isinstance(source, ConnectionParams):
        params = source
    else:
        params = ConnectionParams.resolve(source, default_user=role or f"bifrost_{service}", env=env)
    server_settings = {
        "lock_timeout": int(lock_timeout_s * 1000),
        "statement_timeout": int(statement_timeout_s * 1000),
        "idle_in_transaction_session_timeout": int(IDLE_IN_TRANSACTION_TIMEOUT_S * 1000),
        "tcp_keepalives_idle": KEEPALIVE_IDLE_S,
        "tcp_keepalives_interval": KEEPALIVE_INTERVAL_S,
        "tcp_keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": UNACKNOWLEDGED_MS,
        "timezone": "UTC",
    }
    try:
        opened = psycopg2.connect(
            host=params.host,
            port=params.port,
            dbname=params.database,
            user=params.user or None,
            password=params.password,
            application_name=f"bifrost-{service}",
            connect_timeout=max(1, round(params.connect_timeout_s)),
            client_encoding="UTF8",
            options=" ".join(f"-c {name}={value}" for name, value in server_settings.items()),
            keepalives=1,
            keepalives_idle=KEEPALIVE_IDLE_S,
            keepalives_interval=KEEPALIVE_INTERVAL_S,
            keepalives_count=KEEPALIVE_COUNT,
            tcp_user_timeout=UNACKNOWLEDGED_MS,
        )
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(f"{params}: {_reason(error)}") from error
    opened.autocommit = autocommit
    if epoch is not None:
        set_epoch(opened, epoch)
    return opened


def _reason(error: psycopg2.Error) -> str:
    # libpq repeats the address before the reason: 'connection to server at "...", port ... failed: <reason>'.
    text = first_line(error)
    return text.split("failed: ", 1)[-1].removeprefix("FATAL:  ").removeprefix("FATAL: ").strip()


def set_epoch(conn: Connection, epoch: int) -> None:
    """Write under lease ``epoch`` from here on; the triggers of db/init.sql refuse it once the lease has passed on.

    A shared advisory lock shows the epoch to other sessions, which cannot read this one's settings.
    """
    with conn.cursor() as cursor:
        cursor.execute("SELECT nullif(current_setting('bifrost.epoch', true), '')")
        before = cursor.fetchone()
        if before and before[0] is not None:
            cursor.execute("SELECT pg_advisory_unlock_shared(%s, %s)", (EPOCH_LOCK_CLASS, int(before[0])))
        cursor.execute(
            "SELECT set_config('bifrost.epoch', %s, false), pg_advisory_lock_shared(%s, %s)",
            (str(epoch), EPOCH_LOCK_CLASS, epoch),
        )
    if not conn.autocommit:
        conn.commit()


def is_privileged(conn: Connection) -> bool:
    """Whether the session is a superuser's or owns the schema's tables."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR EXISTS (SELECT FROM pg_class WHERE relname = 'status_current' "
            "AND relnamespace = 'public'::regnamespace AND pg_has_role(session_user, relowner, 'USAGE')) "
            "FROM pg_roles WHERE rolname = session_user"
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def warn_if_privileged(conn: Connection) -> bool:
    """Log in red, and return True, when a service is logged in as owner or superuser (contracts.md, "Roles")."""
    if not is_privileged(conn):
        return False
    user = conn.info.user
    message = f"logged in to the database as {user}, its owner or a superuser: give this service its own role"
    red = f"\x1b[31m{message}\x1b[0m" if os.environ.get("LOG_FORMAT") == "console" else message
    log.critical(red, extra={"database_user": user})
    return True


class Backoff:
    """Growing pauses between attempts: ``first_s``, doubled up to ``limit_s``, each ± ``jitter`` of itself."""

    def __init__(self, first_s: float = 0.5, limit_s: float = 30.0, jitter: float = 0.1, seed: int | None = None):
        self.first_s = first_s
        self.limit_s = limit_s
        self.jitter = jitter
        self.attempts = 0
        self._random = random.Random(seed)

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        pause_s = min(self.limit_s, self.first_s * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return pause_s * (1 + self._random.uniform(-self.jitter, self.jitter))

    def reset(self) -> None:
        """Begin again after a success."""
        self.attempts = 0
