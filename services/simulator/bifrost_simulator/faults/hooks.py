"""All active faults asked at once: by the broker, the feed, the settlement and the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bifrost_simulator.api import BrokerError, Contract, Execution, MarketDataType, OrderRequest, Tick
from bifrost_simulator.api.wire import GatewayControl, Passage
from bifrost_simulator.faults.registry import ActiveFaults
from bifrost_simulator.market.base import Quote

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


class WorldHooks:
    """`OrderHooks` and `WireTap` over the active faults of a world."""

    def __init__(self, world: SimulatedWorld, faults: ActiveFaults) -> None:
        self._world = world
        self._faults = faults

    # -- orders

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        return next((error for fault in self._faults.active if (error := fault.refusal(client_id, request))), None)

    def taken(self, order: BookOrder) -> None:
        for fault in self._faults.active:
            fault.taken(self._world, order)

    def mutes(self, order: BookOrder) -> bool:
        return any(fault.mutes(order) for fault in self._faults.active)

    def accepted(self, order: BookOrder) -> None:
        for fault in self._faults.active:
            fault.accepted(self._world, order)

    def keeps_back(self, order: BookOrder) -> str:
        return ",".join(sorted({why for fault in self._faults.active if (why := fault.keeps_back(order))}))

    def takes_cancel(self, order: BookOrder) -> bool:
        return any(fault.takes_cancel(self._world, order) for fault in self._faults.active)

    def fill_limit(self, order: BookOrder) -> float | None:
        limits = [limit for fault in self._faults.active if (limit := fault.fill_limit(order)) is not None]
        return min(limits) if limits else None

    def filled(self, order: BookOrder, execution: Execution) -> None:
        for fault in self._faults.active:
            fault.filled(self._world, order, execution)

    def commission_delay_s(self, order: BookOrder) -> float | None:
        delays = [s for fault in self._faults.active if (s := fault.commission_delay_s(order)) is not None]
        return max(delays) if delays else None

    # -- market data

    def holds_quotes(self, con_id: int) -> bool:
        contract = self._contract(con_id)
        return contract is not None and any(fault.holds_quotes(contract) for fault in self._faults.active)

    def quote(self, con_id: int, quote: Quote) -> Quote:
        contract = self._contract(con_id)
        if contract is not None:
            for fault in self._faults.active:
                quote = fault.quote(contract, quote)
        return quote

    def shown(self, contract: Contract, quote: Quote) -> Quote:
        for fault in self._faults.active:
            quote = fault.shown(contract, quote)
        return quote

    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]:
        for fault in self._faults.active:
            ticks = fault.ticks(contract, generics, ticks)
        return ticks

    def check_market_data(self, client_id: int, contract: Contract) -> None:
        """Raise what an active fault answers to a new market data line."""
        for fault in self._faults.active:
            error = fault.data_refusal(client_id, contract)
            if error is not None:
                raise error

    def data_type(self, client_id: int, req_id: int, contract: Contract) -> MarketDataType | None:
        kinds = [fault.data_type(self._world, client_id, req_id, contract) for fault in self._faults.active]
        return next((kind for kind in kinds if kind is not None), None)

    def subscribed(self, client_id: int, req_id: int, contract: Contract) -> None:
        for fault in self._faults.active:
            fault.subscribed(self._world, client_id, req_id, contract)

    def check_history(self, client_id: int) -> None:
        """Raise what an active fault answers to a request of bars."""
        for fault in self._faults.active:
            error = fault.history_refusal(client_id)
            if error is not None:
                raise error

    def _contract(self, con_id: int) -> Contract | None:
        # Asked for every quote of every contract: an undisturbed world must not pay for it.
        return self._world.universe.by_id(con_id) if self._faults.active else None

    # -- the gateway

    def check_admission(self, client_id: int) -> None:
        """Raise what an active fault answers to a client that connects."""
        for fault in self._faults.active:
            error = fault.admission_refusal(client_id)
            if error is not None:
                raise error

    def notices(self, notices: Sequence[BrokerError]) -> tuple[BrokerError, ...]:
        for fault in self._faults.active:
            notices = fault.notices(notices)
        return tuple(notices)

    @property
    def is_armed(self) -> bool:
        return self._faults.taps_wire

    @property
    def is_silent(self) -> bool:
        return any(fault.silences for fault in self._faults.active)

    def attach(self, control: GatewayControl) -> None:
        """A gateway serves this world and can be disturbed from now on."""
        self._faults.gateways.append(control)

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return self._first(fault.incoming(client_id, name, values) for fault in self._faults.active)

    def outgoing(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return self._first(fault.outgoing(client_id, name, values) for fault in self._faults.active)

    @staticmethod
    def _first(passages: Any) -> Passage:
        return next((passage for passage in passages if passage is not Passage.PASS), Passage.PASS)
