"""Faults of IB's data farms: market data (2103) and history (2105), broken and connected again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.api import BrokerError, Contract
from bifrost_simulator.faults.base import Fault, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


class FarmParameters(Timed):
    farm: str = Field(default="usfarm", pattern=r"^[a-z0-9.]{1,40}$", description="the farm's name in the messages")


class HistoryFarmParameters(Timed):
    farm: str = Field(default="ushmds", pattern=r"^[a-z0-9.]{1,40}$", description="the farm's name in the messages")


class _FarmBroken(Fault):
    """Everybody is told at the beginning and the end, and who connects meanwhile when it connects."""

    broken_code: ClassVar[int]
    healthy_code: ClassVar[int]
    kind: ClassVar[str]

    @property
    def farm(self) -> str:
        p = self.parameters
        assert isinstance(p, FarmParameters | HistoryFarmParameters)
        return p.farm

    def begin(self, world: SimulatedWorld) -> None:
        self.struck = 1
        world.dispatcher.error(None, -1, self._broken())

    def end(self, world: SimulatedWorld) -> None:
        text = f"{self.kind} data farm connection is OK:{self.farm}"
        world.dispatcher.error(None, -1, BrokerError(self.healthy_code, text))

    def notices(self, notices: Sequence[BrokerError]) -> Sequence[BrokerError]:
        return [self._broken() if notice.code == self.healthy_code else notice for notice in notices]

    def _broken(self) -> BrokerError:
        return BrokerError(self.broken_code, f"{self.kind} data farm connection is broken:{self.farm}")


@register
class MarketDataFarmBroken(_FarmBroken):
    """2103: the market data farm is gone: no ticks, nothing matched; 2104 when it is back, and streams go on."""

    name: ClassVar[str] = "farm_broken_2103"
    parameters_type = FarmParameters
    broken_code, healthy_code, kind = 2103, 2104, "Market"

    def holds_quotes(self, contract: Contract) -> bool:
        return True


@register
class HistoryFarmBroken(_FarmBroken):
    """2105: the historical data farm is gone: requests of bars are refused with 162; 2106 when it is back."""

    name: ClassVar[str] = "farm_broken_2105"
    parameters_type = HistoryFarmParameters
    broken_code, healthy_code, kind = 2105, 2106, "HMDS"

    def history_refusal(self, client_id: int) -> BrokerError | None:
        self.struck += 1
        return BrokerError(
            162,
            "Historical Market Data Service error message:HMDS server disconnect occurred.  Attempting reconnection...",
        )
