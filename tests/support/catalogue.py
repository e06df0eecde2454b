"""What a schema is made of, read from the catalogue, so that two databases can be compared line by line."""

from __future__ import annotations

from tests.support.postgres import Database

_QUERIES = {
    "column": """
        SELECT c.relname, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraint": """
        SELECT conrelid::regclass::text, conname, contype::text, convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "index": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "trigger": """
        SELECT tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal""",
    "function": """
        SELECT proname, prosecdef, proconfig::text, pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "sequence": "SELECT sequencename, data_type::text, increment_by, start_value FROM pg_sequences",
    "grant": """
        SELECT c.relname, c.relkind::text, coalesce(r.rolname, 'PUBLIC'), x.privilege_type
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
        WHERE c.relnamespace = 'public'::regnamespace""",
    "function grant": """
        SELECT p.proname, coalesce(r.rolname, 'PUBLIC'), x.privilege_type
        FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
        WHERE p.pronamespace = 'public'::regnamespace""",
    "schema grant": """
        SELECT n.nspname, coalesce(r.rolname, 'PUBLIC'), x.privilege_type
        FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
        WHERE n.nspname = 'public'""",
    "version": "SELECT version, name FROM schema_migrations",
}


def catalogue(database: Database) -> list[str]:
    """Every column, constraint, index, trigger, function, sequence and grant of a database, one a line, sorted."""
    return sorted(
        f"{kind}: " + " | ".join(str(part) for part in row)
        for kind, statement in _QUERIES.items()
        for row in database.query(statement)
    )


def single_rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """The rows a fresh schema begins with."""
    return {
        "daemon_run_status": database.query("SELECT id, suspended, heartbeat_interval_sec FROM daemon_run_status"),
        "daemon_heartbeat": database.query("SELECT id, last_ts, hedge_running, ib_connected FROM daemon_heartbeat"),
        "engine_lease": database.query("SELECT id, owner, epoch, stopped_at FROM engine_lease"),
        "settings": database.query("SELECT * FROM settings"),
    }
