"""Folders of a run (contracts.md, "Ports, environment, folders")."""

from __future__ import annotations

from pathlib import Path

from bifrost import paths

ROOT = paths.repository_root()


def test_repository_is_the_one_with_the_schema() -> None:
    assert (ROOT / "db" / "init.sql").is_file()


def test_each_scenario_has_a_home_of_its_own() -> None:
    assert paths.home({}) == ROOT / ".bifrost"
    assert paths.home({"BIFROST_SCENARIO": "config/scenarios/default.yaml"}) == ROOT / ".bifrost"
    assert paths.home({"BIFROST_SCENARIO": "/x/tape.yaml"}) == ROOT / ".bifrost" / "scenarios" / "tape"


def test_variables_win_and_are_made_absolute(tmp_path: Path) -> None:
    env = {"BIFROST_HOME": str(tmp_path), "BIFROST_SCENARIO": "tape.yaml"}
    assert paths.home(env) == tmp_path
    assert paths.secrets_dir(env) == tmp_path / "secrets"
    assert paths.log_dir(env) == tmp_path / "logs"
    assert paths.spool_dir(env) == tmp_path / "spool"
    named = {**env, "BIFROST_SECRETS": "/s", "BIFROST_LOG_DIR": "/l", "BIFROST_DATA": "d"}
    assert (paths.secrets_dir(named), paths.log_dir(named)) == (Path("/s"), Path("/l"))
    assert paths.data_dir(named) == Path.cwd() / "d"
    assert paths.data_dir({}) == ROOT / "data"
