"""Bring a database to the schema of db/init.sql, and say what is missing from it.

An empty database gets init.sql; an older one the migrations it has not had, each in one transaction with its row in
``schema_migrations``. Then every role gets the password of its file in the secrets folder.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from bifrost import paths

from .connect import Connection
from .errors import SchemaError, first_line
from .records import transaction
from .roles import OWNER, SERVICE_ROLES
from .tables import TABLES

_REFRESH_LOCK_KEY = 0x4249_4652_4F53_5402
#: Tables whose writers are checked against the lease's epoch, besides those of bifrost.db.tables.
_EPOCH_TABLES = ("daemon_control", "daemon_run_status", "daemon_heartbeat", "accounts", "account_positions")
_APPEND_ONLY = ("operations", "executions", "execution_costs", "reconciliations", "alerts")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of db/migrations."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text with line ends made alike."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()


@dataclass(slots=True)
class RefreshReport:
    """What a refresh did."""

    created: bool = False
    repaired: bool = False
    applied: list[str] = field(default_factory=list)
    new_secrets: list[Path] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For the operator's terminal."""
        said = ["schema created"] if self.created else [f"migration {name} applied" for name in self.applied]
        if self.repaired:
            said.append("missing tables, rules or grants restored")
        if not said:
            said.append("schema is current")
        said += [f"made {path}" for path in self.new_secrets]
        said.append(f"passwords set for {', '.join(self.roles)}")
        return said


def _db_folder() -> Path:
    folder = paths.repository_root() / "db"
    if not (folder / "init.sql").is_file():
        raise SchemaError(f"{folder}/init.sql is not there: run from the repository or an image that carries db/")
    return folder


def init_sql() -> str:
    """The whole schema."""
    return (_db_folder() / "init.sql").read_text(encoding="utf-8")


def migrations() -> list[Migration]:
    """All migrations in order.

    Raises
    ------
    SchemaError
        When a file's name is not ``NNNN_name.sql`` or a number is missing.
    """
    found: list[Migration] = []
    for path in sorted((_db_folder() / "migrations").glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)", path.stem)
        if match is None:
            raise SchemaError(f"{path.name} is not named NNNN_name.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise SchemaError(f"migrations are numbered {numbers}: they must run from 1 without a gap")
    return found


def refresh(conn: Connection, secrets_dir: Path) -> RefreshReport:
    """Bring the database to the current schema and set the roles' passwords. Repeating it changes nothing.

    Parameters
    ----------
    conn : Connection
        Autocommit connection of the schema's owner (``bifrost_owner``).
    secrets_dir : Path
        Folder with one password file per role; missing ones are made (0600).

    Raises
    ------
    SchemaError
        With what is in the way: a newer database, a changed migration, a lock, missing rights.
    """
    report = RefreshReport()
    try:
        with conn.cursor() as cursor:
            # Two refreshes (two replicas of a one-shot) wait for each other.
            cursor.execute("SELECT pg_advisory_lock(%s)", (_REFRESH_LOCK_KEY,))
        try:
            _bring_forward(conn, report)
            _set_passwords(conn, secrets_dir, report)
        finally:
            with conn.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", (_REFRESH_LOCK_KEY,))
    except psycopg2.errors.LockNotAvailable as error:
        raise SchemaError(f"{first_line(error)}: `bifrost db release-locks` shows who holds it") from error
    except psycopg2.errors.InsufficientPrivilege as error:
        raise SchemaError(f"{first_line(error)}: refresh needs {OWNER}, this is {conn.info.user}") from error
    except psycopg2.Error as error:
        raise SchemaError(first_line(error)) from error
    return report


def _bring_forward(conn: Connection, report: RefreshReport) -> None:
    known = migrations()
    has_tables, has_versions = _exists(conn, "status_current"), _exists(conn, "schema_migrations")
    if not has_tables and not has_versions:
        _run(conn, init_sql())
        report.created = True
    else:
        if not has_versions:
            _run(
                conn,
                "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text, "
                "applied_at timestamptz NOT NULL DEFAULT now())",
            )
        applied = _applied(conn)
        problems = _version_problems(applied, known)
        if problems:
            raise SchemaError("; ".join(problems))
        for migration in known:
            if migration.version not in applied:
                _apply(conn, migration)
                report.applied.append(f"{migration.version:04d}_{migration.name}")
    _record_checksums(conn, known)
    if schema_check(conn):
        _run(conn, init_sql())
        report.repaired = True
        problems = schema_check(conn)
        if problems:
            raise SchemaError("the schema cannot be completed: " + "; ".join(problems))


def _exists(conn: Connection, table: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"public.{table}",))
        row = cursor.fetchone()
    return bool(row and row[0])


def _run(conn: Connection, text: str) -> None:
    with transaction(conn) as cursor:
        cursor.execute(text)


def _apply(conn: Connection, migration: Migration) -> None:
    try:
        with transaction(conn) as cursor:
            cursor.execute(migration.text)
            cursor.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
    except psycopg2.errors.LockNotAvailable:
        raise
    except psycopg2.Error as error:
        raise SchemaError(f"migration {migration.version:04d}_{migration.name} failed: {first_line(error)}") from error


def _applied(conn: Connection) -> dict[int, str | None]:
    with conn.cursor() as cursor:
        cursor.execute("SELECT version, checksum FROM schema_migrations")
        return {int(version): checksum for version, checksum in cursor.fetchall()}


def _version_problems(applied: dict[int, str | None], known: Sequence[Migration]) -> list[str]:
    by_version = {migration.version: migration for migration in known}
    problems: list[str] = []
    for version, checksum in sorted(applied.items()):
        migration = by_version.get(version)
        if migration is None:
            problems.append(
                f"the database is at version {version}, this Bifrost knows {len(known)}: use the newer Bifrost"
            )
        elif checksum is not None and checksum != migration.checksum:
            problems.append(f"migration {version:04d}_{migration.name} was changed after it was applied here")
    return problems


def _record_checksums(conn: Connection, known: Sequence[Migration]) -> None:
    """Rows that init.sql wrote know no checksum yet."""
    with transaction(conn) as cursor:
        for migration in known:
            cursor.execute(
                "UPDATE schema_migrations SET checksum = %s WHERE version = %s AND checksum IS NULL",
                (migration.checksum, migration.version),
            )


def ensure_secret(secrets_dir: Path, name: str) -> tuple[str, Path | None]:
    """The secret in ``secrets_dir/name``; made (0600) when missing or empty. Also the path when it was made."""
    path = secrets_dir / name
    try:
        kept = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if kept:
            return kept, None
        secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = secrets.token_urlsafe(24)
        path.touch(0o600)
        path.chmod(0o600)
        path.write_text(value + "\n", encoding="utf-8")
    except OSError as error:
        raise SchemaError(f"secret {path} cannot be read or made: {error.strerror}") from error
    return value, path


def ensure_secrets(secrets_dir: Path, names: Sequence[str] = (OWNER, *SERVICE_ROLES)) -> list[Path]:
    """Make every missing secret; return those that were made."""
    made = (ensure_secret(secrets_dir, name)[1] for name in names)
    return [path for path in made if path is not None]


def _set_passwords(conn: Connection, secrets_dir: Path, report: RefreshReport) -> None:
    for role in SERVICE_ROLES:
        password, made = ensure_secret(secrets_dir, role)
        if made is not None:
            report.new_secrets.append(made)
        # Only the scram verifier travels, so that no server log ever shows a password.
        verifier = psycopg2.extensions.encrypt_password(password, role, conn, "scram-sha-256")
        with conn.cursor() as cursor:
            cursor.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            )
        report.roles.append(role)


def expected_columns(text: str | None = None) -> dict[str, frozenset[str]]:
    """Tables and columns that db/init.sql makes."""
    schema = init_sql() if text is None else text
    tables: dict[str, frozenset[str]] = {}
    for name, body in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+) \(\n(.*?)\n\);", schema, re.DOTALL):
        tables[name] = frozenset(re.findall(r"^ {4}([a-z]\w*) ", body, re.MULTILINE))
    return tables


def schema_check(conn: Connection) -> list[str]:
    """What the database lacks of the current schema, each in one line; empty when nothing. Any role may ask."""
    try:
        return _missing_versions(conn) + _missing_columns(conn) + _missing_rules(conn) + _missing_roles(conn)
    except SchemaError as error:
        return [str(error)]


def _missing_versions(conn: Connection) -> list[str]:
    if not _exists(conn, "schema_migrations"):
        return ["table schema_migrations is missing: run `bifrost db refresh`"]
    known = migrations()
    try:
        applied = _applied(conn)
    except psycopg2.errors.InsufficientPrivilege:
        if not conn.autocommit:
            conn.rollback()
        return [f"role {conn.info.user} may not read schema_migrations: run `bifrost db refresh`"]
    pending = [migration for migration in known if migration.version not in applied]
    late = [
        f"migration {migration.version:04d}_{migration.name} is pending: run `bifrost db refresh`"
        for migration in pending
    ]
    return _version_problems(applied, known) + late


def _missing_columns(conn: Connection) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 "
            "AND NOT a.attisdropped GROUP BY c.relname"
        )
        present = {str(table): set(columns) for table, columns in cursor.fetchall()}
    problems: list[str] = []
    for table, columns in expected_columns().items():
        if table not in present:
            problems.append(f"table {table} is missing")
        elif lacking := sorted(columns - present[table]):
            problems.append(f"table {table} lacks {', '.join(lacking)}")
    return problems


def _missing_rules(conn: Connection) -> list[str]:
    guarded = set(TABLES) | set(_EPOCH_TABLES)
    expected = {(table, "check_epoch") for table in guarded} | {(table, "append_only") for table in _APPEND_ONLY}
    expected.add(("engine_lease", "check_lease"))
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'"
        )
        present = {(str(table), str(trigger)) for table, trigger in cursor.fetchall()}
    return [f"trigger {trigger} on {table} is missing or off" for table, trigger in sorted(expected - present)]


def _missing_roles(conn: Connection) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(SERVICE_ROLES),))
        present = {str(name) for (name,) in cursor.fetchall()}
    return [f"role {role} is missing" for role in SERVICE_ROLES if role not in present]
