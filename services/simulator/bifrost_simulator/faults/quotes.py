"""Faults of market data."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bifrost_simulator.api import Contract
from bifrost_simulator.faults.base import Fault, Timed
from bifrost_simulator.faults.registry import register


class StopParameters(Timed):
    sec_type: str | None = Field(default=None, pattern="^(STK|OPT)$", description="only stocks or only options")
    contract_key: str | None = Field(default=None, description="only this contract")


@register
class QuotesStop(Fault):
    """No tick comes any more, the connection says nothing; nothing is matched on what is not published."""

    name: ClassVar[str] = "quotes_stop"
    parameters_type = StopParameters

    def holds_quotes(self, contract: Contract) -> bool:
        assert isinstance(self.parameters, StopParameters)
        p = self.parameters
        return p.sec_type in (None, contract.sec_type) and p.contract_key in (None, contract.contract_key)
