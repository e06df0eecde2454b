"""All faults by name, those that are active, and the script of a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bifrost_simulator.api.wire import GatewayControl
from bifrost_simulator.faults.base import BadParameters, Fault, Timed, UnknownFault

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld

REGISTRY: dict[str, type[Fault]] = {}


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
        self._shown: tuple[Fault, ...] = ()
        self.taps_wire = False
        self.gateways: list[GatewayControl] = []

    @property
    def active(self) -> Sequence[Fault]:
        """In the order of their beginning."""
        return self._shown

    def inject(self, world: SimulatedWorld, name: str, parameters: Mapping[str, Any]) -> Fault:
        """Begin a fault; raises `UnknownFault` or `BadParameters`."""
        fault = make_fault(name, parameters)
        if isinstance(fault.parameters, Timed) and fault.parameters.duration_s is not None:
            fault.ends_wall_s = world.wall_s + fault.parameters.duration_s
        fault.begin(world)
        if not fault.finished:
            self._active.append(fault)
            self._refresh()
            _republish(world, fault)
        return fault

    def clear(self, world: SimulatedWorld, name: str | None = None) -> int:
        """End the active faults of that name (all when None); returns how many."""
        ending = [fault for fault in self._active if name is None or fault.name == name]
        for fault in ending:
            self._take_off(world, fault)
        return len(ending)

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for fault in list(self._active):
            fault.step(world, wall_s)
            over = fault.finished or (fault.ends_wall_s is not None and wall_s >= fault.ends_wall_s)
            if over and fault in self._active:  # another fault's end may have ended it already
                self._take_off(world, fault)

    def _take_off(self, world: SimulatedWorld, fault: Fault) -> None:
        self._active.remove(fault)
        self._refresh()
        fault.end(world)
        _republish(world, fault)

    def _refresh(self) -> None:
        # Asked for every tick and every message; an undisturbed world must not pay for it.
        self._shown = tuple(self._active)
        self.taps_wire = any(fault.taps_wire for fault in self._active)


def _republish(world: SimulatedWorld, fault: Fault) -> None:
    """What a fault does to quotes counts at once: nothing may be matched on those of before."""
    if type(fault).quote is not Fault.quote:
        world.board.publish(con_id for con_id in world.board.watched() if not world.hooks.holds_quotes(con_id))
