"""What a fault is: parameters, a beginning, an end, and the questions the world asks while it is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bifrost_simulator.api import BrokerError, Contract, Execution, MarketDataType, OrderRequest, Tick
from bifrost_simulator.api.wire import Passage
from bifrost_simulator.market.base import Quote

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


class UnknownFault(LookupError):
    """No fault of that name; the message lists those there are."""


class BadParameters(ValueError):
    """Parameters that the fault does not take, or that do not fit the world; the message names each."""


class FaultParameters(BaseModel):
    """Parameters of a fault; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Timed(FaultParameters):
    """A fault that lasts: ``duration_s`` wall seconds, or until it is ended by hand when not given."""

    duration_s: float | None = Field(
        default=None, gt=0, le=86400, description="wall seconds it lasts; until it is ended by hand when not given"
    )


class Counted(Timed):
    """A fault that strikes: ``count`` times, or as long as it lasts when not given."""

    count: int | None = Field(default=1, ge=1, le=1_000_000, description="how often it strikes; null: no limit")
    order_ref: str = Field(default="", description="only orders whose reference begins so")
    client_id: int | None = Field(default=None, description="only orders of this client")


class OfContracts(Timed):
    """A fault of market data: of all contracts, or of those named."""

    sec_type: str | None = Field(default=None, pattern="^(STK|OPT)$", description="only stocks or only options")
    contract_key: str | None = Field(default=None, description="only this contract, as NVDA|OPT|20260605|140|C")

    def covers(self, contract: Contract) -> bool:
        """True when the fault is about ``contract``."""
        return self.sec_type in (None, contract.sec_type) and self.contract_key in (None, contract.contract_key)


P = TypeVar("P", bound=FaultParameters)


class Fault:
    """One active fault. Subclasses override what they disturb; `finished` ends it."""

    name: ClassVar[str]
    parameters_type: ClassVar[type[FaultParameters]] = FaultParameters

    def __init__(self, parameters: FaultParameters) -> None:
        self.parameters = parameters
        self.struck = 0
        self.finished = False
        self.ends_wall_s: float | None = None

    def given(self, kind: type[P]) -> P:
        """The parameters, as the type they were validated to."""
        assert isinstance(self.parameters, kind)
        return self.parameters

    # -- life

    def begin(self, world: SimulatedWorld) -> None:
        """Called once when injected. A fault that is over at once sets `finished`."""

    def end(self, world: SimulatedWorld) -> None:
        """Called once when its time is over, its count used up, or when it is ended by hand."""

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        """Called at each step of the world while active."""

    # -- orders

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        """A reject for a new order."""
        return None

    def taken(self, world: SimulatedWorld, order: BookOrder) -> None:
        """A new order is in the book; its client has heard nothing of it yet."""

    def mutes(self, order: BookOrder) -> bool:
        """True when the client hears nothing of a new order."""
        return False

    def accepted(self, world: SimulatedWorld, order: BookOrder) -> None:
        """The client was told that its order is accepted."""

    def keeps_back(self, order: BookOrder) -> str:
        """Why an accepted order does not go to the exchange (whyHeld); empty when it may."""
        return ""

    def takes_cancel(self, world: SimulatedWorld, order: BookOrder) -> bool:
        """True when the fault deals with a client's cancel itself."""
        return False

    def fill_limit(self, order: BookOrder) -> float | None:
        """Most units that ``order`` may fill in total."""
        return None

    def filled(self, world: SimulatedWorld, order: BookOrder, execution: Execution) -> None:
        """An execution and the order's status after it were told."""

    def commission_delay_s(self, order: BookOrder) -> float | None:
        """Wall seconds until the commission of a fill is reported; infinity for never, None for no opinion."""
        return None

    # -- market data

    def holds_quotes(self, contract: Contract) -> bool:
        """True when no quotes of ``contract`` are sent, and none are matched."""
        return False

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        """What is published in place of ``quote``."""
        return quote

    def shown(self, contract: Contract, quote: Quote) -> Quote:
        """What subscribers see in place of the published ``quote``; orders are matched against the latter."""
        return quote

    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]:
        """What a subscriber is sent in place of ``ticks``."""
        return ticks

    def data_refusal(self, client_id: int, contract: Contract) -> BrokerError | None:
        """A reject for a new market data line."""
        return None

    def data_type(
        self, world: SimulatedWorld, client_id: int, req_id: int, contract: Contract
    ) -> MarketDataType | None:
        """The kind of data that a new line gets, None for no opinion; the place for a remark about it."""
        return None

    def subscribed(self, world: SimulatedWorld, client_id: int, req_id: int, contract: Contract) -> None:
        """A market data line began."""

    def history_refusal(self, client_id: int) -> BrokerError | None:
        """A reject for a request of bars."""
        return None

    # -- the gateway

    def admission_refusal(self, client_id: int) -> BrokerError | None:
        """Why a client is not let in."""
        return None

    def notices(self, notices: Sequence[BrokerError]) -> Sequence[BrokerError]:
        """What a client is told of the farms when it connects."""
        return notices

    @property
    def taps_wire(self) -> bool:
        """True when the fault wants to see every message."""
        return False

    @property
    def silences(self) -> bool:
        """True while the gateway takes connections and answers nothing."""
        return False

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        """A request arrived; raises `BrokerError` to refuse it."""
        return Passage.PASS

    def outgoing(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        """A message is about to leave."""
        return Passage.PASS

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
    def taken(self, order: BookOrder) -> None: ...
    def mutes(self, order: BookOrder) -> bool: ...
    def accepted(self, order: BookOrder) -> None: ...
    def keeps_back(self, order: BookOrder) -> str: ...
    def takes_cancel(self, order: BookOrder) -> bool: ...
    def fill_limit(self, order: BookOrder) -> float | None: ...
    def filled(self, order: BookOrder, execution: Execution) -> None: ...
    def holds_quotes(self, con_id: int) -> bool: ...


def counted_strike(fault: Fault, order_ref: str, client_id: int) -> bool:
    """Count one strike of a `Counted` fault when it is meant for this order."""
    p = fault.given(Counted)
    if fault.finished or not order_ref.startswith(p.order_ref) or p.client_id not in (None, client_id):
        return False
    fault.struck += 1
    if p.count is not None and fault.struck >= p.count:
        fault.finished = True
    return True
