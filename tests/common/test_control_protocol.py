"""Commands and their arguments: the same words on both sides (engine.md section 7, contracts.md "Commands")."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bifrost.control import (
    ARGUMENTS,
    EXPIRY_S,
    NEXT_STATUS,
    Command,
    CommandError,
    CommandStatus,
    FlattenArgs,
    FlattenTarget,
    parse_args,
    parse_command,
)

SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "control.schema.json").read_text(encoding="utf-8"))

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("stop", {}),
    ("flatten", {}),
    ("flatten", {"target": "delta", "force": True}),
    ("adopt_leg", {"contract_key": "NVDA|OPT|20260320|142.5|P"}),
    ("release_leg", {"contract_key": "NVDA|OPT|20260320|140|C"}),
    ("accept_positions", {"expected": {"NVDA|STK|||": -120.0, "NVDA|OPT|20260320|140|C": 20}}),
    ("resolve_order", {"order_ref": "BFABCDEFGHIJKLMNOPQRST", "outcome": "filled", "quantity": 100, "price": 140.25}),
    ("resolve_order", {"order_ref": "BFABCDEFGHIJKLMNOPQRST", "outcome": "not_filled"}),
    ("set_heartbeat_interval", {"seconds": 5}),
    ("set_heartbeat_interval", {"seconds": 120}),
]

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("stop", {"now": True}, "unknown argument 'now' (takes no arguments)"),
    ("flatten", {"target": "half"}, "target = 'half'"),
    ("flatten", {"force": "yes"}, "force = 'yes'"),
    ("adopt_leg", {}, "argument 'contract_key' is missing"),
    ("adopt_leg", {"contract_key": "NVDA|STK|||"}, "is no option"),
    ("adopt_leg", {"contract_key": "NVDA|OPT|20260320|140|X"}, "must be C or P"),
    ("accept_positions", {"expected": {"NVDA": 3}}, "5 fields"),
    ("accept_positions", {"expected": {"NVDA|STK|||": "3"}}, "number"),
    ("resolve_order", {"order_ref": "", "outcome": "not_filled"}, "order_ref"),
    ("resolve_order", {"order_ref": "BFA", "outcome": "filled"}, "needs quantity"),
    ("resolve_order", {"order_ref": "BFA", "outcome": "filled", "quantity": 0, "price": 1.0}, "quantity = 0"),
    ("resolve_order", {"order_ref": "BFA", "outcome": "not_filled", "quantity": 5}, "takes neither"),
    ("set_heartbeat_interval", {"seconds": 4}, "seconds = 4"),
    ("set_heartbeat_interval", {"seconds": 121}, "seconds = 121"),
    ("set_heartbeat_interval", {"seconds": True}, "seconds = True"),
]


def schema_of(command: str) -> dict[str, Any]:
    return {**SCHEMA["$defs"]["bodies"]["properties"][command], "$defs": SCHEMA["$defs"]}


@pytest.mark.parametrize(("command", "args"), GOOD)
def test_good_arguments_pass_here_and_in_the_contract(command: str, args: dict[str, Any]) -> None:
    assert parse_args(command, args).model_dump(mode="json", exclude_unset=True) == args
    jsonschema.validate(args, schema_of(command))


@pytest.mark.parametrize(("command", "args", "words"), BAD)
def test_bad_arguments_name_the_argument(command: str, args: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_args(command, args)
    assert words in str(caught.value) and str(caught.value).startswith(command)


def test_the_contract_knows_the_same_commands_and_states() -> None:
    assert set(SCHEMA["$defs"]["command"]["enum"]) == {str(command) for command in Command} == set(map(str, ARGUMENTS))
    assert set(SCHEMA["$defs"]["command_status"]["enum"]) == {str(status) for status in CommandStatus}
    assert EXPIRY_S == 60


def test_defaults_of_flatten() -> None:
    assert parse_args("flatten") == FlattenArgs(target=FlattenTarget.ZERO, force=False)


def test_unknown_command_suggests_the_nearest() -> None:
    with pytest.raises(CommandError, match="did you mean 'flatten'"):
        parse_command("flaten")
    with pytest.raises(CommandError, match="known are stop"):
        parse_command("xyzzy")
    with pytest.raises(CommandError, match="JSON object"):
        parse_args("stop", ["x"])  # type: ignore[arg-type]


def test_life_of_a_command_ends() -> None:
    for status, following in NEXT_STATUS.items():
        assert status.final == (not following)
    assert NEXT_STATUS[CommandStatus.PENDING] == {"accepted", "refused", "expired"}
