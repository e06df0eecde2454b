"""The Simulator page: clock, market, faults, what happened. All of it only while the scenario's simulator runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from .base import Answer, Side, UtcTime


class SimulatorClock(Answer):
    """Market time of the simulated world."""

    market: UtcTime
    wall: UtcTime
    speed: float = Field(description="market seconds per wall second")
    paused: bool
    always_open: bool
    scenario_over: bool
    scenario_hash: str


class SimulatorPosition(Answer):
    contract_key: str
    con_id: int
    quantity: float
    avg_cost: float
    mark: float


class SimulatorAccount(Answer):
    id: str
    cash: float
    values: dict[str, str]
    positions: list[SimulatorPosition]


class SimulatorOrder(Answer):
    """An order as the simulated broker holds it."""

    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    account: str
    contract_key: str
    side: str
    quantity: float
    order_type: str
    limit_price: float | None
    status: str
    filled: float
    remaining: float
    avg_fill_price: float


class SimulatorScenario(Answer):
    name: str
    hash: str
    market: str
    symbol: str


class ActiveFault(Answer):
    """A fault that is being injected."""

    name: str
    parameters: dict[str, Any]
    struck: int = Field(description="how often it has struck")
    ends_wall_s: float | None = Field(description="seconds of the simulator's own clock")


class SimulatorState(Answer):
    """Everything that is true in the simulated world now."""

    accounts: list[SimulatorAccount]
    open_orders: list[SimulatorOrder]
    clock: SimulatorClock
    faults: list[ActiveFault]
    scenario: SimulatorScenario
    sessions: list[int] = Field(description="ids of the connected clients")


class SimulatorAnswer(Answer):
    """GET /simulator. ``running`` false with the reason is no error: a desk on a real gateway has no simulator."""

    running: bool
    reason: str | None
    state: SimulatorState | None


class KnownFault(Answer):
    """A fault of the catalogue."""

    name: str
    about: str = Field(description="what it does; the first line is a summary")
    parameters: dict[str, Any] = Field(description="JSON schema of its parameters")


class FaultsAnswer(Answer):
    active: list[ActiveFault]
    known: list[KnownFault]


class FaultInjected(Answer):
    """The fault as it struck or is active now."""

    fault: ActiveFault


class FaultEnded(Answer):
    ended: int


class ClockForm(BaseModel):
    """Body of POST /simulator/clock; applied in this order."""

    model_config = ConfigDict(extra="forbid")

    speed: Annotated[float, Field(gt=0, le=3600)] | None = None
    paused: bool | None = None
    step_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    set: AwareDatetime | None = None


class ManualOrderForm(BaseModel):
    """Body of POST /simulator/orders: the human at TWS trades the same account."""

    model_config = ConfigDict(extra="forbid")

    account: str = ""
    contract_key: str
    side: Side
    quantity: Annotated[float, Field(gt=0, le=1_000_000)]
    order_type: str = "MKT"
    limit_price: float | None = None
    aux_price: float | None = None
    tif: str = "DAY"


class Direction(StrEnum):
    """As seen from the gateway: ``in`` came from a client."""

    IN = "in"
    OUT = "out"


class JournalEntry(Answer):
    """One message that crossed the wire."""

    seq: int
    wall: UtcTime
    market: UtcTime
    direction: Direction
    client_id: int | None
    message: str
    fields: dict[str, Any]


class JournalAnswer(Answer):
    entries: list[JournalEntry]
    last_seq: int
