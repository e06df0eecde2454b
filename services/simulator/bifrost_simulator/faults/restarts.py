"""The gateway goes away: its nightly restart, and the week's login that a human has to make."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bifrost_simulator.api import BrokerError
from bifrost_simulator.faults.base import Fault, FaultParameters, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


class _Away(Fault):
    """Sockets are closed, and the port is shut, or takes connections and says nothing."""

    reason: ClassVar[str]
    port: Literal["closed", "silent"] = "closed"

    def begin(self, world: SimulatedWorld) -> None:
        self.struck = 1
        world.dispatcher.drop(None, self.reason)
        if self.port == "closed":
            for gateway in world.faults.gateways:
                gateway.close_port()

    def end(self, world: SimulatedWorld) -> None:
        for gateway in world.faults.gateways:
            # Whoever shook hands with nobody has to begin anew: its first bytes went to a gateway that is gone.
            gateway.close_handshakes(f"{self.reason} is over")
            gateway.open_port()

    @property
    def silences(self) -> bool:
        return self.port == "silent"

    def admission_refusal(self, client_id: int) -> BrokerError | None:
        return BrokerError(502, "Couldn't connect to TWS. The gateway is not logged in.")


class RestartParameters(Timed):
    duration_s: float | None = Field(default=60.0, gt=0, le=86400, description="wall seconds until it listens again")
    port: Literal["closed", "silent"] = Field(default="closed", description="connections are refused, or hang")


@register
class NightlyRestart(_Away):
    """The gateway restarts as every night: sockets close, the port is shut for a while, then all is as before."""

    name: ClassVar[str] = "nightly_restart"
    parameters_type = RestartParameters
    reason = "the nightly restart"

    def __init__(self, parameters: FaultParameters) -> None:
        super().__init__(parameters)
        self.port = self.given(RestartParameters).port


class LoginParameters(Timed):
    port: Literal["closed", "silent"] = Field(default="silent", description="connections hang, or are refused")


@register
class WeeklyLogin(_Away):
    """The week's login is due: sockets close, connections are taken and never answered until somebody logs in.

    It lasts until it is ended by hand (``DELETE /faults/weekly_login``) unless a duration is given.
    """

    name: ClassVar[str] = "weekly_login"
    parameters_type = LoginParameters
    reason = "the weekly login"

    def __init__(self, parameters: FaultParameters) -> None:
        super().__init__(parameters)
        self.port = self.given(LoginParameters).port
