"""Faults of logins and permissions: who may connect, and who may see which quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bifrost_simulator.api import BrokerError, Contract
from bifrost_simulator.faults.base import Fault, OfContracts, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld

_NO_PERMISSION = {
    354: "Requested market data is not subscribed. Delayed market data is available.",
    10089: "Requested market data requires additional subscription for API. "
    "See link in 'Market Data Connections' dialog for more details.",
}


class InUseParameters(Timed):
    client_id: int | None = Field(default=None, ge=0, description="only this id is taken; any when not given")
    count: int | None = Field(default=1, ge=1, le=1_000_000, description="how many connections; null: no limit")


@register
class ClientIdInUse(Fault):
    """326: the id of a client that connects is taken; the gateway says so and closes the socket."""

    name: ClassVar[str] = "client_id_in_use_326"
    parameters_type = InUseParameters

    def admission_refusal(self, client_id: int) -> BrokerError | None:
        p = self.given(InUseParameters)
        if self.finished or p.client_id not in (None, client_id):
            return None
        self.struck += 1
        self.finished = p.count is not None and self.struck >= p.count
        text = "Unable to connect as the client id is already in use. Retry with a unique client id."
        return BrokerError(326, text)


@register
class CompetingSession(Fault):
    """10197: the user's other session has the market data: each line is told so and gets no tick until it ends.

    Lines asked for meanwhile are told the same; all go on when the other session is gone.
    """

    name: ClassVar[str] = "competing_session_10197"
    parameters_type = OfContracts
    error: ClassVar[BrokerError] = BrokerError(10197, "No market data during competing live session")

    def begin(self, world: SimulatedWorld) -> None:
        for line in world.feed.requests():
            self.subscribed(world, line.client_id, line.req_id, line.contract)

    def holds_quotes(self, contract: Contract) -> bool:
        return self.given(OfContracts).covers(contract)

    def subscribed(self, world: SimulatedWorld, client_id: int, req_id: int, contract: Contract) -> None:
        if self.given(OfContracts).covers(contract):
            self.struck += 1
            world.dispatcher.error(client_id, req_id, self.error)


class PermissionParameters(OfContracts):
    code: Literal[354, 10089] = Field(default=354, description="IB's code for the missing subscription")
    client_id: int | None = Field(default=None, ge=0, description="only lines of this client")


@register
class NoPermission(Fault):
    """354 (or 10089): the account has no market data subscription: lines end with it, and new ones are refused."""

    name: ClassVar[str] = "no_permission_354"
    parameters_type = PermissionParameters

    def begin(self, world: SimulatedWorld) -> None:
        for line in world.feed.requests():
            error = self.data_refusal(line.client_id, line.contract)
            if error is not None:
                world.unsubscribe(line.client_id, line.req_id)
                world.dispatcher.error(line.client_id, line.req_id, error)

    def data_refusal(self, client_id: int, contract: Contract) -> BrokerError | None:
        p = self.given(PermissionParameters)
        if p.client_id not in (None, client_id) or not p.covers(contract):
            return None
        self.struck += 1
        return BrokerError(p.code, _NO_PERMISSION[p.code])
