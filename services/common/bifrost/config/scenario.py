"""A scenario: the simulated world and the overlay of configuration keys it needs (contracts.md, "Scenario")."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from bifrost import paths
from bifrost.contract import ContractKeyError, parse_contract_key

from .base import Count, CountOrZero, Flag, NotNegative, Number, Positive, Section
from .errors import ConfigError, Problem, ScenarioError
from .problems import from_validation
from .schema import Symbol
from .windows import NEW_YORK
from .yaml_tree import YamlTree, read_yaml

_RELATIVE_EXPIRY = re.compile(r"\+(\d{1,4})d")
_FAULT_TIME = re.compile(r"(?:(start|open|close)\s*([+-]))?\s*(\d+(?:\.\d+)?)\s*(s|m|h)")
_FAULT_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_START = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Market(StrEnum):
    """Where the simulated quotes come from."""

    GENERATED = "generated"
    REPLAY = "replay"


class FaultAnchor(StrEnum):
    """What the time of a scripted fault counts from, in market time."""

    START = "start"
    OPEN = "open"
    CLOSE = "close"
    MIDNIGHT = "midnight"


def _start(value: object) -> object:
    if not isinstance(value, str) or not _START.fullmatch(value):
        raise ValueError("write a New York date and time in quotes, '2026-05-07 10:00:00', without a zone")
    return value


def _not_zero(quantity: float) -> float:
    if quantity == 0:
        raise ValueError("a position's quantity must not be 0; leave the position out")
    return quantity


def _position_key(text: str) -> str:
    """A contract key whose expiry may be ``+28d`` and whose strike may be ``atm``."""
    parts = text.split("|")
    if len(parts) != 5:
        raise ValueError("a contract key has 5 fields symbol|sec_type|expiry|strike|right")
    if parts[1] == "OPT":
        # A relative expiry or strike is replaced by a plain one, so that one function judges the rest.
        expiry = "20300118" if _RELATIVE_EXPIRY.fullmatch(parts[2]) else parts[2]
        strike = "100" if parts[3] == "atm" else parts[3]
        parts = [parts[0], parts[1], expiry, strike, parts[4]]
    try:
        parse_contract_key("|".join(parts))
    except ContractKeyError as error:
        raise ValueError(str(error)) from None
    return text


def relative_expiry_days(expiry: str) -> int | None:
    """Days of a relative expiry (``+28d`` → 28), None for a written date."""
    match = _RELATIVE_EXPIRY.fullmatch(expiry)
    return int(match.group(1)) if match else None


class ScenarioPosition(Section):
    """A position that an account holds at the start; without ``avg_cost`` it is the first mid × multiplier."""

    contract_key: Annotated[str, AfterValidator(_position_key)]
    quantity: Annotated[float, Strict(), AfterValidator(_not_zero)]
    avg_cost: NotNegative | None = None


class ScenarioAccount(Section):
    """A simulated account. Its id begins with DU, as every IB paper account: a funded one can never be meant."""

    id: Annotated[str, Field(pattern=r"^DU[A-Z0-9]{1,12}$")]
    cash: Number
    positions: tuple[ScenarioPosition, ...] = ()


class ScenarioFault(BaseModel):
    """A fault that happens by itself: ``at`` a time, by ``name``; every further key is a parameter of the fault.

    ``at`` is market time: ``start+90s``, ``open+15m``, ``close-5m``, a New York time of the start's day ``10:15:30``,
    or a number of seconds after the start.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    at: str | Annotated[float, Strict()]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]

    @field_validator("at")
    @classmethod
    def _readable_time(cls, at: str | float) -> str | float:
        fault_time(at)
        return at

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the fault."""
        return dict(self.__pydantic_extra__ or {})

    def when(self) -> tuple[FaultAnchor, float]:
        """Anchor and seconds after it (negative before it)."""
        return fault_time(self.at)


def fault_time(at: str | float) -> tuple[FaultAnchor, float]:
    """Anchor and seconds of a written fault time."""
    if not isinstance(at, str):
        return FaultAnchor.START, float(at)
    text = at.strip()
    clock = _FAULT_CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return FaultAnchor.MIDNIGHT, hours * 3600.0 + minutes * 60.0 + seconds
    match = _FAULT_TIME.fullmatch(text)
    if not match:
        raise ValueError("write open+15m, close-5m, start+90s, 10:15:30 or seconds after the start")
    anchor, sign, number, unit = match.groups()
    offset = float(number) * _UNIT_S[unit]
    return FaultAnchor(anchor or "start"), -offset if sign == "-" else offset


_Volatility = Annotated[float, Strict(), Field(gt=0, le=5)]


class GeneratedMarket(Section):
    """Parameters of the made market; what is not given the simulator chooses."""

    spot: Positive | None = Field(default=None, description="dollars at the start")
    volatility: _Volatility | None = Field(default=None, description="of the spot, per year of 252 sessions of 6.5 h")
    implied_volatility: _Volatility | None = Field(default=None, description="annual, at the money")
    skew: Number | None = Field(default=None, description="volatility per unit of log moneyness over sqrt(years)")
    drift: Number | None = Field(default=None, description="annual")
    rate: Number | None = Field(default=None, description="annual, continuous")
    dividend_yield: NotNegative | None = Field(default=None, description="annual, continuous")
    spread_pct: Positive | None = Field(default=None, description="per cent of the stock's mid")
    jumps_per_day: NotNegative | None = None
    jump_pct: NotNegative | None = Field(default=None, description="per cent; standard deviation of a jump")
    halts_per_day: NotNegative | None = None
    halt_minutes: NotNegative | None = None
    tick_s: Positive | None = Field(default=None, description="market seconds between two steps of the lattice")
    size_lots: Count | None = Field(default=None, description="typical displayed size of the stock, round lots")
    days: Count | None = Field(default=None, description="sessions after which the scenario is over")


class Scenario(Section):
    """A validated scenario. `load_scenario` reads one."""

    name: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]*)?$")
    description: str = ""
    market: Market
    seed: CountOrZero = 1
    symbol: Symbol
    data: str | None = None
    start: Annotated[datetime, BeforeValidator(_start)]
    speed: Annotated[float, Strict(), Field(gt=0, le=3600)] = 1.0
    always_open: Flag = False
    accounts: Annotated[tuple[ScenarioAccount, ...], Field(min_length=1)]
    faults: tuple[ScenarioFault, ...] = ()
    generated: GeneratedMarket = GeneratedMarket()
    config: dict[str, Any] = Field(default_factory=dict)

    _file: Path = PrivateAttr(default=Path())
    _overlay: YamlTree = PrivateAttr(default_factory=lambda: YamlTree(""))

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        if self.market is Market.REPLAY and not self.data:
            raise ValueError("market replay needs data, a folder of recorded quotes")
        ids = [account.id for account in self.accounts]
        if len(set(ids)) != len(ids):
            raise ValueError(f"an account stands twice in {', '.join(ids)}")
        return self

    @property
    def start_new_york(self) -> datetime:
        """Start as New York wall time."""
        return self.start.replace(tzinfo=NEW_YORK)

    @property
    def start_utc(self) -> datetime:
        """Start in UTC."""
        return self.start_new_york.astimezone(UTC)

    @property
    def file(self) -> Path:
        """The file it was read from."""
        return self._file

    @property
    def overlay(self) -> YamlTree:
        """The configuration overlay with its lines."""
        return self._overlay

    @property
    def hash(self) -> str:
        """12 hex digits over everything that the world is made from, the overlay included; not over its name."""
        content = self.model_dump(mode="json", exclude={"name", "description"})
        content["start"] = self.start_utc.isoformat()
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def data_folder(self, env: Mapping[str, str] | None = None) -> Path:
        """Folder of the recorded quotes.

        Raises
        ------
        ScenarioError
            When it is not there; the message says how to get data in that format.
        """
        if not self.data:
            raise ScenarioError([Problem(str(self._file), "data", "this scenario names no recorded data")])
        if self.data.startswith("./"):
            folder = (self._file.parent / self.data).resolve()
        else:
            folder = paths.data_dir(env) / self.data
        if not folder.is_dir():
            raise ScenarioError([Problem(str(self._file), "data", _missing_data(self.data, folder))])
        return folder


def _missing_data(name: str, folder: Path) -> str:
    return (
        f"{name!r}: no folder {folder}. It holds minute quotes in the LEAN folder format: "
        "equity/usa/minute/<symbol>/<YYYYMMDD>_quote.zip and option/usa/minute/<symbol>/<YYYYMMDD>_quote_american.zip. "
        "Download them with the LEAN command line (`lean data download`) or copy the sample data of the public LEAN "
        "repository, and set BIFROST_DATA to the folder that contains them; "
        "config/scenarios/tape.yaml runs without any download"
    )


def load_scenario(path: Path | str) -> Scenario:
    """Read and validate the scenario in ``path``.

    The overlay's keys are checked when it is laid over the configuration (`bifrost.config.load_config`).

    Raises
    ------
    ScenarioError
        Listing every problem with file, line, key and value.
    """
    file = find_scenario(path)
    try:
        tree = read_yaml(file, str(path))
    except ConfigError as error:
        raise ScenarioError(error.problems) from None
    try:
        scenario = Scenario.model_validate(tree.values)
    except ValidationError as error:
        raise ScenarioError(_problems(error, tree)) from None
    if not scenario.name:
        scenario = scenario.model_copy(update={"name": file.stem})
    scenario._file = file
    scenario._overlay = tree.below("config")
    return scenario


def find_scenario(path: Path | str) -> Path:
    """``path`` itself where it exists or is absolute, else the same below the repository."""
    file = Path(path).expanduser()
    if file.is_absolute() or file.exists():
        return file.absolute()
    return paths.repository_root() / file


def _problems(error: ValidationError, tree: YamlTree) -> list[Problem]:
    problems = []
    for problem in from_validation(error, Scenario, tree.where):
        message = problem.message
        if "DU" in message and "pattern" in message:
            message = message.split(" ")[0].rstrip(":") + " must begin with DU and hold only capitals and digits: "
            message += "a scenario runs on simulated accounts only"
        if not problem.key:
            message = message.split("}: ", 1)[-1] if "}: " in message else message
        problems.append(Problem(problem.where, problem.key, message))
    return problems
