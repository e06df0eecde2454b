"""Faults of connections: dropped sockets, and the gateway cut off from its broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bifrost_simulator.api import BrokerError
from bifrost_simulator.api.wire import Passage
from bifrost_simulator.faults.base import Fault, Timed
from bifrost_simulator.faults.registry import register
from bifrost_simulator.wire.messages import REQUEST_BY_NAME, RESPONSE_BY_NAME

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld

MESSAGES = frozenset(REQUEST_BY_NAME) | frozenset(RESPONSE_BY_NAME)

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


class DisconnectParameters(Timed):
    client_id: int | None = Field(default=None, ge=0, description="one client, or all of them")
    message: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]+(:[A-Za-z]+)?$",
        description="at this message, either way: placeOrder, execDetails, orderStatus:Filled; at once if not given",
    )
    nth: int = Field(default=1, ge=1, le=1_000_000, description="at its n-th occurrence from now on")
    when: Literal["before", "after"] = Field(default="after", description="whether that message still passes")

    @model_validator(mode="after")
    def _known(self) -> DisconnectParameters:
        if self.message is not None and self.message.partition(":")[0] not in MESSAGES:
            known = ", ".join(sorted(MESSAGES))
            raise ValueError(f"message {self.message}: no such message; there are {known}")
        return self


@register
class Disconnect(Fault):
    """The gateway closes the sockets, at once or at a given message; orders and executions stay at the broker.

    ``message`` openOrder, before: the order lives and its acknowledgement is lost. execDetails: in the middle of a
    fill. placeOrder, before: the order never arrives.
    """

    name: ClassVar[str] = "disconnect"
    parameters_type = DisconnectParameters

    def begin(self, world: SimulatedWorld) -> None:
        p = self.given(DisconnectParameters)
        if p.message is None:
            self.struck, self.finished = 1, True
            world.dispatcher.drop(p.client_id, "fault disconnect")

    @property
    def taps_wire(self) -> bool:
        return self.given(DisconnectParameters).message is not None

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return self._passage(client_id, name, values)

    def outgoing(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return self._passage(client_id, name, values)

    def _passage(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        p = self.given(DisconnectParameters)
        message, _, status = (p.message or "").partition(":")
        if self.finished or name != message or p.client_id not in (None, client_id):
            return Passage.PASS
        if status and values.get("status") != status:
            return Passage.PASS
        self.struck += 1
        self.finished = self.struck >= p.nth
        if not self.finished:
            return Passage.PASS
        return Passage.CUT_BEFORE if p.when == "before" else Passage.CUT_AFTER


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
