"""The rules that the database itself keeps, each taken away once: the check that guards it must go red."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.integration import test_db_control as control
from tests.integration import test_db_records as records
from tests.integration import test_db_rules as rules
from tests.integration import test_db_spool as spool
from tests.support.postgres import Database


class Planted(NamedTuple):
    """What the owner of a database might do to it, and the check that sees it."""

    statement: str
    check: Callable[[Database], object]


def _function(head: str, body: str) -> str:
    return f"CREATE OR REPLACE FUNCTION {head} LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$"


def _replayed(database: Database) -> None:
    with TemporaryDirectory() as folder:
        spool.test_a_replay_writes_each_record_once_under_the_new_epoch(database, Path(folder))


PLANTED: dict[str, Planted] = {
    "an old epoch may write": Planted(
        _function("bifrost_check_epoch() RETURNS trigger", "RETURN NULL;"), rules.test_an_old_epoch_writes_nothing
    ),
    "the lease may go back": Planted(
        _function("bifrost_check_lease() RETURNS trigger", "RETURN NEW;"), rules.test_the_lease_never_goes_back
    ),
    "operations may be changed": Planted(
        _function("bifrost_refuse_change() RETURNS trigger", "RETURN NULL;"),
        lambda database: rules.test_append_only_tables_refuse_change(database, "owner"),
    ),
    "retention deletes what is young": Planted(
        _function(
            "bifrost_retention(history_days integer, decisions_days integer) RETURNS bigint",
            "DELETE FROM status_history; RETURN 1;",
        ),
        rules.test_retention_removes_old_history_and_decisions_only,
    ),
    "decision numbers come round again": Planted(
        "ALTER SEQUENCE decision_seq MAXVALUE 6 CYCLE",
        lambda database: records.test_decision_numbers_never_repeat(database, database.connect("engine", epoch=1)),
    ),
    "a replayed record is written again": Planted(
        "ALTER TABLE operations DROP CONSTRAINT operations_record_id_key", _replayed
    ),
    "an idempotency key is forgotten": Planted(
        _function("bifrost_forget() RETURNS trigger", "NEW.idempotency_key := NULL; RETURN NEW;")
        + "; CREATE TRIGGER forget BEFORE INSERT ON daemon_control FOR EACH ROW EXECUTE FUNCTION bifrost_forget()",
        control.test_the_same_key_and_body_is_the_first_command_another_body_conflicts,
    ),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_turns_its_check_red(mistake: str, database: Database) -> None:
    database.query(PLANTED[mistake].statement)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        PLANTED[mistake].check(database)
