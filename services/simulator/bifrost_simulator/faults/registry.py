"""All faults by name, those that are active, and the script of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bifrost_simulator.api import BrokerError, OrderRequest
from bifrost_simulator.faults.base import Fault, Timed

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld

REGISTRY: dict[str, type[Fault]] = {}


class UnknownFault(LookupError):
    """No fault of that name; the message lists those there are."""


class BadParameters(ValueError):
    """Parameters that the fault does not take; the message names each."""


def register(fault: type[Fault]) -> type[Fault]:
    """Class decorator: make a fault known by its name."""
    if fault.name in REGISTRY:
        raise ValueError(f"fault {fault.name} is registered twice")
    REGISTRY[fault.name] = fault
    return fault


def make_fault(name: str, parameters: Mapping[str, Any]) -> Fault:
    """A fault ready to begin."""
    kind = REGISTRY.get(name)
    if kind is None:
        raise UnknownFault(f"no fault {name!r}; there are {', '.join(sorted(REGISTRY))}")
    try:
        return kind(kind.parameters_type.model_validate(dict(parameters)))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or name}: {e['msg']}" for e in error.errors())
        known = ", ".join(kind.parameters_type.model_fields) or "none"
        raise BadParameters(f"fault {name}: {problems} (parameters: {known})") from None


class ActiveFaults:
    """The faults at work, asked together."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    @property
    def active(self) -> tuple[Fault, ...]:
        return tuple(self._active)

    def inject(self, world: SimulatedWorld, name: str, parameters: Mapping[str, Any]) -> Fault:
        """Begin a fault; raises `UnknownFault` or `BadParameters`."""
        fault = make_fault(name, parameters)
        if isinstance(fault.parameters, Timed) and fault.parameters.duration_s is not None:
            fault.ends_wall_s = world.wall_s + fault.parameters.duration_s
        fault.begin(world)
        if not fault.finished:
            self._active.append(fault)
        return fault

    def clear(self, world: SimulatedWorld, name: str | None = None) -> int:
        """End the active faults of that name (all when None); returns how many."""
        ending = [fault for fault in self._active if name is None or fault.name == name]
        for fault in ending:
            self._active.remove(fault)
            fault.end(world)
        return len(ending)

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for fault in list(self._active):
            fault.step(world, wall_s)
            over = fault.finished or (fault.ends_wall_s is not None and wall_s >= fault.ends_wall_s)
            if over and fault in self._active:  # another fault's end may have ended it already
                self._active.remove(fault)
                fault.end(world)

    def holds(self, contract_con_id: int, world: SimulatedWorld) -> bool:
        contract = world.universe.by_id(contract_con_id)
        return contract is not None and any(fault.holds_quotes(contract) for fault in self._active)


class WorldHooks:
    """`OrderHooks` over the active faults of a world."""

    def __init__(self, world: SimulatedWorld, faults: ActiveFaults) -> None:
        self._world = world
        self._faults = faults

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        for fault in self._faults.active:
            error = fault.refusal(client_id, request)
            if error is not None:
                return error
        return None

    def mutes(self, order: BookOrder) -> bool:
        return any(fault.mutes(order) for fault in self._faults.active)

    def fill_limit(self, order: BookOrder) -> float | None:
        limits = [limit for fault in self._faults.active if (limit := fault.fill_limit(order)) is not None]
        return min(limits) if limits else None

    def holds_quotes(self, con_id: int) -> bool:
        return self._faults.holds(con_id, self._world)
