"""What one client knows of the world: what it asked on connecting, and what it was told while connected."""

from __future__ import annotations

from typing import Any

from bifrost_simulator.api import ExecutionFilter, OrderView
from bifrost_simulator.world import SimulatedWorld


class ClientLedger:
    """A client as an IB program keeps its books: everything by asking once, then by what it is told."""

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self.connected = False
        self.positions: dict[tuple[str, int], float] = {}
        self.orders: dict[int, OrderView] = {}
        self.executions: dict[str, Any] = {}
        self.commissions: dict[str, float] = {}
        self.told_twice: list[str] = []

    def connect(self, world: SimulatedWorld) -> None:
        """Connect and read what a client library reads at its start."""
        world.client_connected(self.client_id)
        self.connected = True
        self.positions = {(p.account, p.contract.con_id): p.quantity for p in world.positions()}
        self.orders = {order.perm_id: order for order in world.completed_orders(False)}
        self.orders |= {order.perm_id: order for order in world.open_orders(self.client_id)}
        self.executions, self.commissions = {}, {}
        for execution, commission in world.executions(ExecutionFilter()):
            self.executions[execution.exec_id] = execution
            if commission is not None:
                self.commissions[commission.exec_id] = commission.commission

    def disconnect(self, world: SimulatedWorld) -> None:
        world.client_disconnected(self.client_id)
        self.connected = False

    def hear(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Take in one event of the world, when it is for this client and it is connected."""
        if not self.connected:
            return
        if name == "position":
            position = arguments[0]
            self.positions[position.account, position.contract.con_id] = position.quantity
        elif name in ("open_order", "order_status", "execution", "commission") and arguments[0] == self.client_id:
            self._hear_order(name, arguments[1])

    def _hear_order(self, name: str, told: Any) -> None:
        if name == "execution":
            if told.exec_id in self.executions:
                self.told_twice.append(told.exec_id)
            self.executions[told.exec_id] = told
        elif name == "commission":
            self.commissions[told.exec_id] = told.commission
        else:
            self.orders[told.perm_id] = told

    def held(self) -> dict[tuple[str, int], float]:
        """Positions that are not flat."""
        return {key: quantity for key, quantity in self.positions.items() if quantity}
