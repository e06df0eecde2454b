"""Faults of connections: dropped sockets, and the gateway cut off from its broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bifrost_simulator.api import BrokerError
from bifrost_simulator.faults.base import Fault, FaultParameters, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld

LOST = BrokerError(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
RESTORED_DATA_LOST = BrokerError(
    1101,
    "Connectivity between IBKR and Trader Workstation has been restored - data lost. "
    "The following farms are connected: usfarm; ushmds. The following farms are not connected: none.",
)
RESTORED_DATA_KEPT = BrokerError(
    1102,
    "Connectivity between IBKR and Trader Workstation has been restored - data maintained. "
    "The following farms are connected: usfarm; ushmds. The following farms are not connected: none.",
)


class DisconnectParameters(FaultParameters):
    client_id: int | None = Field(default=None, ge=0, description="one client, or all of them")


@register
class Disconnect(Fault):
    """The gateway closes the sockets; orders and executions stay at the broker."""

    name: ClassVar[str] = "disconnect"
    parameters_type = DisconnectParameters

    def begin(self, world: SimulatedWorld) -> None:
        assert isinstance(self.parameters, DisconnectParameters)
        self.struck, self.finished = 1, True
        world.dispatcher.drop(self.parameters.client_id, "fault disconnect")


class LostParameters(Timed):
    restore: Literal["1101", "1102"] = Field(default="1102", description="how it ends when duration_s is over")


@register
class ConnectivityLost(Fault):
    """1100: sockets stay, but no market data and no order acknowledgement passes until it is restored.

    The broker works on: orders in the market fill, and the client hears of it afterwards. What a client sends
    meanwhile waits at the gateway.
    """

    name: ClassVar[str] = "connectivity_lost_1100"
    parameters_type = LostParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.struck = 1
        if world.dispatcher.cut:
            self.finished = True
            return
        world.dispatcher.error(None, -1, LOST)
        world.dispatcher.cut = True

    def end(self, world: SimulatedWorld) -> None:
        assert isinstance(self.parameters, LostParameters)
        if world.dispatcher.cut:
            restore(world, data_lost=self.parameters.restore == "1101")


def restore(world: SimulatedWorld, *, data_lost: bool) -> None:
    """Connectivity is back: tell everybody, then let pass what waited."""
    if data_lost:
        world.drop_market_data()
    world.dispatcher.error(None, -1, RESTORED_DATA_LOST if data_lost else RESTORED_DATA_KEPT)
    world.reconnect_broker()


class _Restored(Fault):
    data_lost: ClassVar[bool]

    def begin(self, world: SimulatedWorld) -> None:
        self.struck, self.finished = 1, True
        restore(world, data_lost=self.data_lost)
        # Its cut is over: the pending 1100 must not restore a second time.
        world.faults.clear(world, ConnectivityLost.name)


@register
class RestoredDataLost(_Restored):
    """1101: restored, market data subscriptions are gone and must be asked for again."""

    name: ClassVar[str] = "restored_1101"
    data_lost: ClassVar[bool] = True


@register
class RestoredDataKept(_Restored):
    """1102: restored, market data goes on."""

    name: ClassVar[str] = "restored_1102"
    data_lost: ClassVar[bool] = False
