"""Each service role can do exactly what it should, on the tables themselves."""

from __future__ import annotations

import psycopg2
import pytest

from tests.support.postgres import Database

ENGINE_UPSERTS = {
    "status_current",
    "daemon_heartbeat",
    "accounts",
    "order_intents",
    "orders",
    "managed_legs",
    "external_baseline",
    "trading_days",
    "pnl_attribution",
    "shadow_hedgers",
    "decision_counts",
    "engine_instances",
    "account_positions",
}
ENGINE_INSERTS = {
    "status_history",
    "operations",
    "executions",
    "execution_costs",
    "decisions",
    "reconciliations",
    "alerts",
    "backtest_runs",
    "backtest_ticks",
}
WRITES: dict[str, dict[str, set[str]]] = {
    "bifrost_engine": {
        "INSERT": ENGINE_UPSERTS | ENGINE_INSERTS | {"backtest_worker"},
        "UPDATE": ENGINE_UPSERTS | {"daemon_control", "engine_lease", "backtest_jobs", "backtest_worker"},
        "DELETE": {"account_positions", "engine_instances"},
        "TRUNCATE": set(),
    },
    "bifrost_pricer": {
        "INSERT": {"instrument_prices"},
        "UPDATE": {"instrument_prices"},
        "DELETE": {"instrument_prices"},
        "TRUNCATE": set(),
    },
    "bifrost_monitor": {
        "INSERT": {"daemon_control", "settings", "backtest_jobs", "notified_until"},
        "UPDATE": {"daemon_run_status", "settings", "backtest_jobs", "notified_until"},
        "DELETE": set(),
        "TRUNCATE": set(),
    },
    "bifrost_copilot": {"INSERT": set(), "UPDATE": set(), "DELETE": set(), "TRUNCATE": set()},
    "wl_writer": {"INSERT": set(), "UPDATE": set(), "DELETE": set(), "TRUNCATE": set()},
    "wl_reader": {"INSERT": set(), "UPDATE": set(), "DELETE": set(), "TRUNCATE": set()},
}
PRICER_READS = {"account_positions", "accounts", "managed_legs", "settings", "schema_migrations", "instrument_prices"}


def _tables(database: Database) -> set[str]:
    rows = database.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


def _granted(database: Database, role: str, privilege: str) -> set[str]:
    rows = database.query(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND has_table_privilege(%s, oid, %s)",
        role,
        privilege,
    )
    return {name for (name,) in rows}


def test_writes_are_granted_exactly_as_named(database: Database) -> None:
    for role, privileges in WRITES.items():
        for privilege, tables in privileges.items():
            assert _granted(database, role, privilege) == tables, (role, privilege)


def test_reads_are_granted_exactly_as_named(database: Database) -> None:
    everything = _tables(database)
    assert _granted(database, "bifrost_engine", "SELECT") == everything
    assert _granted(database, "bifrost_monitor", "SELECT") == everything
    assert _granted(database, "bifrost_pricer", "SELECT") == PRICER_READS
    for role in ("bifrost_copilot", "wl_writer", "wl_reader"):
        assert _granted(database, role, "SELECT") == set()


def test_no_service_role_owns_creates_or_is_more_than_itself(database: Database) -> None:
    assert database.query("SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'") == [
        ("bifrost_owner",)
    ]
    for role in WRITES:
        flags = database.query(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles "
            "WHERE rolname = %s",
            role,
        )
        assert flags == [(False,) * 5], role
        assert database.value("SELECT has_schema_privilege(%s, 'public', 'CREATE')", role) is False, role


def test_each_service_does_its_work(database: Database) -> None:
    database.query("INSERT INTO daemon_control (command) VALUES ('stop')", role="monitor")
    database.query("UPDATE daemon_run_status SET suspended = true, updated_at = now()", role="monitor")
    upsert = (
        "INSERT INTO settings (id, ib_host) VALUES (1, 'h') ON CONFLICT (id) DO UPDATE SET ib_host = EXCLUDED.ib_host"
    )
    for _ in range(2):
        database.query(upsert, role="monitor")
    database.query("INSERT INTO instrument_prices (contract_key, mid) VALUES ('NVDA|STK|||', 1)", role="pricer")
    database.query("DELETE FROM instrument_prices", role="pricer")
    database.query("SELECT nextval('decision_seq')", role="engine")
    database.query("INSERT INTO alerts (severity, code, message) VALUES ('info', 'x', 'y')", role="engine")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("engine", "INSERT INTO daemon_control (command) VALUES ('stop')"),
        ("engine", "UPDATE daemon_run_status SET suspended = false"),
        ("engine", "DELETE FROM status_history"),
        ("monitor", "UPDATE daemon_control SET status = 'done'"),
        ("monitor", "INSERT INTO operations (type) VALUES ('fill')"),
        ("monitor", "SELECT bifrost_retention(1, 1)"),
        ("pricer", "SELECT * FROM operations"),
        ("pricer", "UPDATE account_positions SET position = 0"),
        ("copilot", "SELECT * FROM accounts"),
    ],
)
def test_what_is_not_granted_is_refused(database: Database, role: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        database.query(statement, role=role)
