"""`bifrost db …` as an operator types it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from bifrost import cli, paths
from bifrost.db.roles import OWNER, SERVICE_ROLES

from tests.support.postgres import Database
from tests.support.waiting import free_port


def test_refresh_finds_its_password_in_the_secrets_and_is_repeatable(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = empty_database.env("owner")
    for name in ("PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("BIFROST_SECRETS", str(empty_database.write_secrets(tmp_path)))
    assert cli.main(["db", "refresh"]) == 0
    out = capsys.readouterr().out
    assert "schema created" in out and "passwords set for bifrost_engine" in out
    assert not any(password in out for password in empty_database.passwords.values())
    assert cli.main(["db", "refresh"]) == 0
    assert "schema is current" in capsys.readouterr().out
    migrations = len(list((paths.repository_root() / "db" / "migrations").glob("*.sql")))
    assert empty_database.value("SELECT count(*) FROM schema_migrations", role="engine") == migrations


def test_a_database_that_is_not_there_is_named_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(port), "BIFROST_SECRETS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["db", "refresh", "--wait", "0.3"]) == 1
    captured = capsys.readouterr()
    assert f"127.0.0.1:{port} as bifrost_owner" in captured.err and "Traceback" not in captured.err


def test_a_wrong_password_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (database.env("owner") | {"PGPASSWORD": "wrong"}).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["db", "release-locks", "--wait", "600"]) == 1
    assert "password authentication failed" in capsys.readouterr().err


def test_secrets_makes_what_is_missing_and_keeps_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "bifrost_engine").write_text("mine\n")
    assert cli.main(["db", "secrets", "--secrets", str(folder)]) == 0
    assert (folder / "bifrost_engine").read_text() == "mine\n"
    made = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert set(made) == {OWNER, *SERVICE_ROLES, "token"} and all(made.values())
    assert all(stat.S_IMODE((folder / name).stat().st_mode) == 0o600 for name in made if name != "bifrost_engine")
    out = capsys.readouterr().out
    assert not any(secret in out for secret in made.values() if secret != "mine")
    assert cli.main(["db", "secrets", "--secrets", str(folder)]) == 0
    assert {path.name: path.read_text().strip() for path in folder.iterdir()} == made
