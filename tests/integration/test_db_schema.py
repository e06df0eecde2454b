"""The schema: init.sql and the migrations end alike, refresh is repeatable, an old database keeps its data."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from bifrost.db import SchemaError, connect
from bifrost.db.roles import SERVICE_ROLES
from bifrost.db.schema import expected_columns, init_sql, migrations, refresh, schema_check
from bifrost.db.tables import TABLES, TableKind

from tests.support.catalogue import catalogue, single_rows
from tests.support.postgres import Database, Databases


@pytest.fixture(autouse=True)
def _passwords_restored(postgres_server: Databases) -> Iterator[None]:
    """Roles belong to the whole server: a refresh with new secrets must not lock the next test out."""
    postgres_server.ensure_template()
    yield
    postgres_server.set_passwords()


def _run(database: Database, text: str) -> None:
    conn = database.connect("owner", autocommit=False)
    with conn, conn.cursor() as cursor:
        cursor.execute(text)


def test_init_sql_equals_the_migrations_from_zero(database: Database, empty_database: Database) -> None:
    for migration in migrations():
        _run(empty_database, migration.text)
        if migration.version == 1:
            _run(
                empty_database,
                "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text, "
                "applied_at timestamptz NOT NULL DEFAULT now())",
            )
    for migration in migrations():
        empty_database.query(
            "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", migration.version, migration.name
        )
    made, moved = catalogue(database), catalogue(empty_database)
    assert moved == made
    assert single_rows(database) == single_rows(empty_database)
    assert single_rows(database)["settings"] == []


def test_init_sql_twice_changes_nothing(database: Database) -> None:
    before, rows = catalogue(database), single_rows(database)
    _run(database, init_sql())
    assert catalogue(database) == before
    assert single_rows(database) == rows


def test_init_sql_refuses_a_database_of_an_earlier_bifrost(empty_database: Database) -> None:
    _run(empty_database, migrations()[0].text)
    with pytest.raises(psycopg2.Error, match="bifrost db refresh"):
        _run(empty_database, init_sql())


def test_refresh_fills_an_empty_database_and_then_changes_nothing(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    conn = empty_database.connect("owner")
    report = refresh(conn, tmp_path / "secrets")
    assert report.created and not report.repaired
    assert catalogue(empty_database) == catalogue(database)
    kept = {role: (tmp_path / "secrets" / role).read_text() for role in SERVICE_ROLES}
    assert len(set(kept.values())) == len(SERVICE_ROLES)
    for role in SERVICE_ROLES:
        assert stat.S_IMODE((tmp_path / "secrets" / role).stat().st_mode) == 0o600

    again = refresh(conn, tmp_path / "secrets")
    assert not (again.created or again.repaired or again.applied or again.new_secrets)
    assert {role: (tmp_path / "secrets" / role).read_text() for role in SERVICE_ROLES} == kept
    assert catalogue(empty_database) == catalogue(database)
    checksums = empty_database.query("SELECT version, checksum FROM schema_migrations ORDER BY version")
    assert checksums == [(one.version, one.checksum) for one in migrations()]

    # The roles can now log in with what the files say, and only with that.
    env = empty_database.env("engine") | {"PGPASSWORD": "", "BIFROST_SECRETS": str(tmp_path / "secrets")}
    engine = connect(service="engine", env=env)
    assert schema_check(engine) == []
    engine.close()


def test_a_database_of_the_source_documents_moves_forward_with_its_data(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    _run(empty_database, migrations()[0].text)
    _run(
        empty_database,
        """
        ALTER TABLE status_current ADD COLUMN account_id text;
        INSERT INTO status_current (id, symbol, spot, ts) VALUES (1, 'NVDA', 140.5, 1700000000.25);
        INSERT INTO operations (ts, type, side, quantity, price) VALUES
            (1700000000, 'fill', 'buy', 25, 140.5), (1700000001, 'hedge_intent', 'SELL', 10, NULL);
        INSERT INTO daemon_control (command, consumed_at) VALUES ('stop', now() - interval '1 day');
        INSERT INTO daemon_control (command) VALUES ('flatten');
        INSERT INTO daemon_run_status (id, suspended) VALUES (1, true);
        INSERT INTO settings (id, ib_host, ib_port_type) VALUES (1, '192.0.2.7', 'gateway');
        INSERT INTO account_positions (account_id, contract_key, position) VALUES ('DU1', 'NVDA|STK|||', -50);
        """,
    )
    report = refresh(empty_database.connect("owner"), tmp_path)
    assert report.applied == [f"{one.version:04d}_{one.name}" for one in migrations()] and not report.created
    assert empty_database.query("SELECT spot, extract(epoch FROM ts)::float8, written_at = ts FROM status_current") == [
        (140.5, 1700000000.25, True)
    ]
    assert empty_database.query("SELECT side, quantity, record_id IS NOT NULL FROM operations ORDER BY id") == [
        ("BUY", 25, True),
        ("SELL", 10, True),
    ]
    assert empty_database.query("SELECT command, status FROM daemon_control ORDER BY id") == [
        ("stop", "done"),
        ("flatten", "pending"),
    ]
    assert empty_database.value("SELECT suspended FROM daemon_run_status") is True
    assert empty_database.value("SELECT ib_port_type FROM settings") == "gateway"
    assert empty_database.value("SELECT position FROM account_positions") == -50
    # A column of an earlier release stays until its owner drops it.
    _run(empty_database, "ALTER TABLE status_current DROP COLUMN account_id")
    assert catalogue(empty_database) == catalogue(database)


def test_old_rows_with_other_words_stay_and_the_rule_holds_for_new_ones(
    empty_database: Database, tmp_path: Path
) -> None:
    _run(empty_database, migrations()[0].text + "INSERT INTO operations (ts, type) VALUES (1, 'assignment');")
    refresh(empty_database.connect("owner"), tmp_path)
    assert empty_database.value("SELECT type FROM operations") == "assignment"
    with pytest.raises(psycopg2.errors.CheckViolation):
        empty_database.query("INSERT INTO operations (type) VALUES ('assignment')")


def test_refresh_restores_what_somebody_dropped(database: Database, tmp_path: Path) -> None:
    before = catalogue(database)
    _run(
        database,
        "DROP TRIGGER check_epoch ON orders; DROP TABLE alerts; ALTER TABLE operations DISABLE TRIGGER append_only",
    )
    problems = schema_check(database.connect("monitor"))
    assert "table alerts is missing" in problems
    assert any("check_epoch on orders" in problem for problem in problems)
    assert any("append_only on operations" in problem for problem in problems)
    assert refresh(database.connect("owner"), database.write_secrets(tmp_path)).repaired
    assert catalogue(database) == before


def test_what_cannot_be_brought_forward_is_said(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = database.connect("owner")
    database.query("INSERT INTO schema_migrations (version, name) VALUES (99, 'future')")
    secrets = database.write_secrets(tmp_path)
    with pytest.raises(SchemaError, match="version 99"):
        refresh(owner, secrets)
    database.query("DELETE FROM schema_migrations WHERE version = 99")
    database.query("UPDATE schema_migrations SET checksum = 'other' WHERE version = 2")
    with pytest.raises(SchemaError, match="0002_desk was changed"):
        refresh(owner, tmp_path)
    database.query("UPDATE schema_migrations SET checksum = NULL")
    with pytest.raises(SchemaError, match="bifrost_owner"):
        refresh(database.connect("monitor"), tmp_path)
    database.query("ALTER TABLE operations DROP COLUMN price CASCADE")
    with pytest.raises(SchemaError, match="operations lacks price"):
        refresh(owner, tmp_path)


def test_the_list_of_tables_in_code_is_the_catalogue(database: Database) -> None:
    found: dict[str, dict[str, tuple[str, bool, bool]]] = {}
    for table, column, kind, not_null, has_default in database.query(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef "
        "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace "
        "AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    ):
        found.setdefault(table, {})[column] = (kind, not_null, has_default)
    for name, rule in TABLES.items():
        columns = dict(found[name])
        if rule.kind is TableKind.APPEND:
            columns.pop("id", None)
        assert rule.all_columns == set(columns), name
        assert rule.json == {column for column, (kind, _, _) in columns.items() if kind == "jsonb"}, name
        required = {column for column, (_, not_null, default) in columns.items() if not_null and not default}
        given = set(rule.required) - set(rule.key)
        assert given == required - set(rule.key), name
    assert set(expected_columns()) == set(found)
    assert {table: set(columns) for table, columns in found.items()} == {
        table: set(columns) for table, columns in expected_columns().items()
    }
