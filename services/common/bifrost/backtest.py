"""What a backtest that somebody launches from the page may ask for (table ``backtest_jobs``).

Both sides read a request through this model: the monitor before it stores one, the backtest process before it runs
one. Recorded data has a name, never a path: only folders that the configuration knows can be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bifrost import paths

#: Sections that decide what the core does. Addresses, roles and files are none of a backtest's business.
SECTIONS = ("gates", "greeks")
MOST_OVERRIDES = 30
#: The backtest process beats this often; a silence of three beats means that none runs.
BEAT_S = 5.0
SILENT_S = 3 * BEAT_S
_KEY = re.compile(rf"({'|'.join(SECTIONS)})(\.[a-z][a-z0-9_]*)+")
_ENTRY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SOURCE = r"^[a-z]{1,20}/[A-Z0-9]{1,12}(\.[A-Z]{1,3})?$"
Override = bool | int | float | str


def without_scenario(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a backtest: the scenario of the desk beside it rules neither its symbol nor its limits.

    Home and secrets stay where the scenario puts them.
    """
    kept = {name: value for name, value in env.items() if name != "BIFROST_SCENARIO"}
    return kept | {"BIFROST_HOME": str(paths.home(env)), "BIFROST_SECRETS": str(paths.secrets_dir(env))}


class JobStatus(StrEnum):
    """``pending`` until the backtest process takes it up."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RequestError(ValueError):
    """A request that cannot be carried out; the message names the field, the value and what would be right."""


class BacktestRequest(BaseModel):
    """One run: recorded data, what to hold, what to change of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Annotated[str, Field(pattern=_SOURCE)] = Field(description="a name of GET /backtests/jobs, as recorded/TWX")
    first: date | None = Field(default=None, alias="from", description="first day; the first recorded one")
    last: date | None = Field(default=None, alias="to", description="last day; the last recorded one")
    quantity: int = Field(default=20, ge=-10_000, le=10_000, description="contracts of each leg; negative sells")
    min_dte: int | None = Field(default=None, ge=0, le=2000, description="days to expiry; structure.min_dte")
    max_dte: int | None = Field(default=None, ge=0, le=2000, description="days to expiry; structure.max_dte")
    entry: str = Field(default="09:45", description="New York time of the entry, 09:45")
    latency_ms: float = Field(default=500.0, ge=0, le=60_000, allow_inf_nan=False, description="order to broker")
    overrides: dict[str, Override] = Field(
        default_factory=dict, alias="set", description="configuration keys of gates and greeks, with their values"
    )

    @field_validator("quantity")
    @classmethod
    def _holds_something(cls, value: int) -> int:
        if value == 0:
            raise ValueError("a straddle of no contracts holds nothing: write 20, or -20 to sell it")
        return value

    @field_validator("entry")
    @classmethod
    def _is_time(cls, value: str) -> str:
        if not _ENTRY.fullmatch(value):
            raise ValueError("write a New York time as 09:45")
        return value

    @field_validator("overrides")
    @classmethod
    def _are_of_the_core(cls, value: dict[str, Override]) -> dict[str, Override]:
        if len(value) > MOST_OVERRIDES:
            raise ValueError(f"{len(value)} keys; at most {MOST_OVERRIDES} can be changed")
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no key of gates or greeks, as gates.intent.hedge.cooldown_seconds")
            if isinstance(item, str) and (len(item) > 100 or not item.isprintable()):
                raise ValueError(f"{key}: at most 100 printable characters")
            if isinstance(item, float) and not abs(item) < float("inf"):
                raise ValueError(f"{key} = {item}: a finite number is wanted")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError(f"from = {self.first} is after to = {self.last}")
        if self.min_dte is not None and self.max_dte is not None and self.min_dte > self.max_dte:
            raise ValueError(f"min_dte = {self.min_dte} is above max_dte = {self.max_dte}")
        return self

    @property
    def symbol(self) -> str:
        """The underlying that the source names."""
        return self.source.split("/")[1]

    @property
    def entry_time(self) -> time:
        return time.fromisoformat(self.entry)

    def as_row(self) -> dict[str, Any]:
        """As `backtest_jobs.request` keeps it: what was left out is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def is_source(name: str) -> bool:
    """Whether a request can name recorded data so, as ``recorded/TWX``."""
    return re.fullmatch(_SOURCE, name) is not None


def request_of(row: object) -> BacktestRequest:
    """Read a stored request; psql may have inserted anything.

    Raises
    ------
    RequestError
    """
    try:
        return BacktestRequest.model_validate(row)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'request'}: {item['msg']}" for item in error.errors()]
        raise RequestError("; ".join(problems)) from None
