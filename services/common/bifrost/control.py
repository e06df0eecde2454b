"""The control protocol: what an operator may ask of the engine, with which arguments (engine.md section 7).

The row in ``daemon_control`` carries the command's name and its arguments as JSON; both ends parse them here, so that
the monitor refuses with the same words as the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, field_validator, model_validator

from bifrost.contract import ContractKeyError, parse_contract_key

EXPIRY_S = 60
"""A command older than this (the database's ``now() − created_at``) is consumed and not executed."""


class Command(StrEnum):
    """Everything that can be asked through ``daemon_control``."""

    STOP = "stop"
    FLATTEN = "flatten"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETRY_IB = "retry_ib"
    REFRESH_ACCOUNTS = "refresh_accounts"
    RESET_BREAKER = "reset_breaker"
    RESUME_SAFE = "resume_safe"
    ADOPT_LEG = "adopt_leg"
    RELEASE_LEG = "release_leg"
    ACCEPT_POSITIONS = "accept_positions"
    RESOLVE_ORDER = "resolve_order"
    SET_HEARTBEAT_INTERVAL = "set_heartbeat_interval"


class CommandStatus(StrEnum):
    """Life of a command: pending → accepted → done|failed; pending → refused|expired."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self not in (CommandStatus.PENDING, CommandStatus.ACCEPTED)


NEXT_STATUS: dict[CommandStatus, frozenset[CommandStatus]] = {
    CommandStatus.PENDING: frozenset({CommandStatus.ACCEPTED, CommandStatus.REFUSED, CommandStatus.EXPIRED}),
    CommandStatus.ACCEPTED: frozenset({CommandStatus.DONE, CommandStatus.FAILED}),
    CommandStatus.DONE: frozenset(),
    CommandStatus.REFUSED: frozenset(),
    CommandStatus.EXPIRED: frozenset(),
    CommandStatus.FAILED: frozenset(),
}


class CommandError(ValueError):
    """A command or its arguments cannot be used; the message is what the operator reads."""


class FlattenTarget(StrEnum):
    """What flatten works own shares to: none at all, or what makes the book delta-neutral."""

    ZERO = "zero"
    DELTA = "delta"


class OrderOutcome(StrEnum):
    """What the operator found out about an order whose fate is unknown."""

    FILLED = "filled"
    PARTIAL = "partial"
    NOT_FILLED = "not_filled"


class Arguments(BaseModel):
    """Arguments of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoArguments(Arguments):
    """For commands that take none."""


class FlattenArgs(Arguments):
    """``target`` zero (default) or delta; ``force`` overrides ``not_reconciled`` and the refusal to cross zero."""

    target: FlattenTarget = FlattenTarget.ZERO
    force: Annotated[bool, Strict()] = False


class LegArgs(Arguments):
    """The option leg to adopt or to release, by its contract key."""

    contract_key: str

    @field_validator("contract_key")
    @classmethod
    def _option_key(cls, text: str) -> str:
        try:
            key = parse_contract_key(text)
        except ContractKeyError as error:
            raise ValueError(str(error)) from None
        if not key.is_option:
            raise ValueError(f"{text} is no option; write symbol|OPT|YYYYMMDD|strike|C or P")
        return text


class AcceptPositionsArgs(Arguments):
    """``expected``: contract key → quantity, as the operator saw them; refused when the broker shows others."""

    expected: dict[str, Annotated[float, Strict()]]

    @field_validator("expected")
    @classmethod
    def _keys(cls, expected: dict[str, float]) -> dict[str, float]:
        for text in expected:
            try:
                parse_contract_key(text)
            except ContractKeyError as error:
                raise ValueError(str(error)) from None
        return expected


class ResolveOrderArgs(Arguments):
    """Outcome of an unknown order: shares filled in all and their average price, where any were."""

    order_ref: Annotated[str, Field(min_length=1, max_length=40)]
    outcome: OrderOutcome
    quantity: Annotated[int, Strict(), Field(ge=1)] | None = None
    price: Annotated[float, Strict(), Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _filled_has_price(self) -> ResolveOrderArgs:
        if self.outcome is OrderOutcome.NOT_FILLED:
            if self.quantity is not None or self.price is not None:
                raise ValueError("outcome not_filled takes neither quantity nor price")
        elif self.quantity is None or self.price is None:
            raise ValueError(f"outcome {self.outcome} needs quantity (shares filled) and price (their average)")
        return self


class HeartbeatArgs(Arguments):
    """Seconds between heartbeats, 5 to 120."""

    seconds: Annotated[int, Strict(), Field(ge=5, le=120)]


ARGUMENTS: dict[Command, type[Arguments]] = {
    Command.STOP: NoArguments,
    Command.FLATTEN: FlattenArgs,
    Command.SUSPEND: NoArguments,
    Command.RESUME: NoArguments,
    Command.RETRY_IB: NoArguments,
    Command.REFRESH_ACCOUNTS: NoArguments,
    Command.RESET_BREAKER: NoArguments,
    Command.RESUME_SAFE: NoArguments,
    Command.ADOPT_LEG: LegArgs,
    Command.RELEASE_LEG: LegArgs,
    Command.ACCEPT_POSITIONS: AcceptPositionsArgs,
    Command.RESOLVE_ORDER: ResolveOrderArgs,
    Command.SET_HEARTBEAT_INTERVAL: HeartbeatArgs,
}


def parse_command(name: str) -> Command:
    """The command called ``name``; raises `CommandError` with the nearest known one."""
    try:
        return Command(name.strip())
    except ValueError:
        near = get_close_matches(name, [command.value for command in Command], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(Command)}"
        raise CommandError(f"unknown command {name!r}{hint}") from None


def parse_args(command: Command | str, args: Mapping[str, Any] | None = None) -> Arguments:
    """Validate ``args`` of ``command`` and return its typed model.

    Raises
    ------
    CommandError
        Naming every argument that is missing, unknown or wrong, with its value.
    """
    known = parse_command(command) if not isinstance(command, Command) else command
    model = ARGUMENTS[known]
    if args is not None and not isinstance(args, Mapping):
        raise CommandError(f"arguments of {known} must be a JSON object, got {args!r}")
    try:
        return model.model_validate(dict(args or {}))
    except ValidationError as error:
        problems = "; ".join(_problem(detail, model) for detail in error.errors())
        raise CommandError(f"{known}: {problems}") from None


def _problem(detail: Any, model: type[Arguments]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    takes = ", ".join(model.model_fields) or "no arguments"
    if detail["type"] == "extra_forbidden":
        return f"unknown argument {name!r} (takes {takes})"
    if detail["type"] == "missing":
        return f"argument {name!r} is missing (takes {takes})"
    text = str(detail["msg"]).removeprefix("Value error, ")
    return f"{name} = {detail['input']!r}: {text}" if name else text
