"""What a fault is: parameters, a beginning, an end, and the questions the world asks while it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from bifrost_simulator.api import BrokerError, Contract, OrderRequest

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


class FaultParameters(BaseModel):
    """Parameters of a fault; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Timed(FaultParameters):
    """A fault that lasts: ``duration_s`` wall seconds, or until it is ended by hand when not given."""

    duration_s: float | None = Field(default=None, gt=0, le=86400)


class Counted(Timed):
    """A fault that strikes: ``count`` times, or as long as it lasts when not given."""

    count: int | None = Field(default=1, ge=1, le=1_000_000)
    order_ref: str = Field(default="", description="only orders whose reference begins so")
    client_id: int | None = Field(default=None, description="only orders of this client")


class Fault:
    """One active fault. Subclasses override what they disturb; `finished` ends it."""

    name: ClassVar[str]
    parameters_type: ClassVar[type[FaultParameters]] = FaultParameters

    def __init__(self, parameters: FaultParameters) -> None:
        self.parameters = parameters
        self.struck = 0
        self.finished = False
        self.ends_wall_s: float | None = None

    def begin(self, world: SimulatedWorld) -> None:
        """Called once when injected. A fault that is over at once sets `finished`."""

    def end(self, world: SimulatedWorld) -> None:
        """Called once when its time is over, its count used up, or when it is ended by hand."""

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        """Called at each step of the world while active."""

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        """A reject for a new order."""
        return None

    def mutes(self, order: BookOrder) -> bool:
        """True when the client hears nothing of a new order."""
        return False

    def fill_limit(self, order: BookOrder) -> float | None:
        """Most units that ``order`` may fill in total."""
        return None

    def holds_quotes(self, contract: Contract) -> bool:
        """True when no quotes of ``contract`` are sent, and none are matched."""
        return False

    def describe(self) -> dict[str, Any]:
        """For ``GET /faults``."""
        return {
            "name": self.name,
            "parameters": self.parameters.model_dump(mode="json"),
            "struck": self.struck,
            "ends_wall_s": self.ends_wall_s,
        }


class OrderHooks(Protocol):
    """What the broker asks of all active faults at once."""

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None: ...
    def mutes(self, order: BookOrder) -> bool: ...
    def fill_limit(self, order: BookOrder) -> float | None: ...
    def holds_quotes(self, con_id: int) -> bool: ...


def counted_strike(fault: Fault, order_ref: str, client_id: int) -> bool:
    """Count one strike of a `Counted` fault when it is meant for this order."""
    p = fault.parameters
    assert isinstance(p, Counted)
    if fault.finished or not order_ref.startswith(p.order_ref) or p.client_id not in (None, client_id):
        return False
    fault.struck += 1
    if p.count is not None and fault.struck >= p.count:
        fault.finished = True
    return True
