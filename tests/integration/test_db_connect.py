"""Connections against a real server: settings, roles, errors that name what to change."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from bifrost.db import ConnectionParams, DatabaseUnavailable, connect, is_privileged, warn_if_privileged

from tests.support.postgres import Database
from tests.support.waiting import free_port


def test_a_connection_carries_its_service_time_outs_and_keepalives(database: Database) -> None:
    conn = database.connect("engine", epoch=3)
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('application_name'), current_setting('lock_timeout'), "
            "current_setting('tcp_keepalives_idle')::int, current_setting('bifrost.epoch'), session_user::text, "
            "current_setting('statement_timeout')"
        )
        assert cursor.fetchone() == ("bifrost-engine", "5s", 5, "3", "bifrost_engine", "30s")


def test_environment_wins_and_the_password_may_be_a_file(database: Database, tmp_path: Path) -> None:
    secret = tmp_path / "pricer"
    secret.write_text(database.passwords["bifrost_pricer"] + "\n")
    env = database.env("pricer") | {"PGPASSWORD_FILE": str(secret)}
    del env["PGPASSWORD"]
    conn = connect(service="pricer", env=env)
    assert conn.info.user == "bifrost_pricer"
    conn.close()


def test_the_secrets_folder_gives_the_password_of_the_services_own_role(database: Database, tmp_path: Path) -> None:
    (tmp_path / "bifrost_monitor").write_text(database.passwords["bifrost_monitor"])
    env = database.env("monitor") | {"BIFROST_SECRETS": str(tmp_path)}
    del env["PGPASSWORD"], env["PGUSER"]
    conn = connect(service="monitor", env=env)
    assert conn.info.user == "bifrost_monitor"
    conn.close()


def test_a_missing_server_is_named_in_one_line_without_the_password() -> None:
    port = free_port()
    params = ConnectionParams("127.0.0.1", port, "options_db", "bifrost_engine", "hunter2", 1)
    with pytest.raises(DatabaseUnavailable) as caught:
        connect(params, service="engine")
    text = str(caught.value)
    assert f"127.0.0.1:{port}" in text and "options_db" in text and "bifrost_engine" in text
    assert "refused" in text and "hunter2" not in text and "\n" not in text


def test_a_wrong_password_and_an_unreadable_password_file_are_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        connect(service="engine", env=database.env("engine") | {"PGPASSWORD": "wrong"})
    with pytest.raises(DatabaseUnavailable, match="PGPASSWORD_FILE"):
        env = database.env("engine") | {"PGPASSWORD": "", "PGPASSWORD_FILE": str(tmp_path / "none")}
        connect(service="engine", env=env)
    with pytest.raises(DatabaseUnavailable, match="54x32"):
        connect(service="engine", env=database.env("engine") | {"PGPORT": "54x32"})


def test_an_owner_login_is_reported_and_a_service_login_is_not(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert not is_privileged(database.connect("engine"))
    with caplog.at_level(logging.WARNING):
        assert warn_if_privileged(database.connect("owner"))
    assert any(record.levelno == logging.CRITICAL and "bifrost_owner" in record.message for record in caplog.records)
