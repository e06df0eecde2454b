"""Admin API of the simulator: state, clock, faults, the human at TWS, journal, metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from bifrost.clock import format_utc
from bifrost.config import Scenario
from fastapi import Body, FastAPI, HTTPException, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bifrost_simulator.api import BrokerError, ContractQuery, OrderRequest, OrderView
from bifrost_simulator.clock import ClockError
from bifrost_simulator.faults import REGISTRY, BadParameters, UnknownFault
from bifrost_simulator.faults.catalogue import catalogue
from bifrost_simulator.metrics import render
from bifrost_simulator.world import SimulatedWorld


class ClockChange(BaseModel):
    """Any of these, applied in this order."""

    model_config = ConfigDict(extra="forbid")

    speed: float | None = Field(default=None, description="market seconds per wall second")
    paused: bool | None = None
    step_s: float | None = Field(default=None, description="move on by so many market seconds, also while paused")
    set: AwareDatetime | None = Field(default=None, description="move on to this moment")


class ManualOrder(BaseModel):
    """An order entered at TWS by hand."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(default="", description="empty when there is only one")
    contract_key: str
    side: Annotated[str, Field(pattern="^(BUY|SELL)$")]
    quantity: Annotated[float, Field(gt=0)]
    order_type: str = "MKT"
    limit_price: float | None = None
    aux_price: float | None = None
    trailing_percent: float | None = None
    tif: str = "DAY"
    outside_rth: bool = False


@dataclass(frozen=True, slots=True)
class AdminContext:
    """What the routes work on. ``sessions`` gives the ids of the connected clients."""

    world: SimulatedWorld
    scenario: Scenario
    sessions: Callable[[], tuple[int, ...]]


def clock_json(context: AdminContext) -> dict[str, Any]:
    """The clock as clients read it, in ``/clock`` and ``/state``."""
    clock = context.world.clock
    return {
        "market": format_utc(clock.now()),
        "wall": format_utc(datetime.now(UTC)),
        "speed": clock.speed,
        "paused": clock.paused or clock.over,
        "always_open": clock.always_open,
        "scenario_over": clock.over,
        "scenario_hash": context.scenario.hash,
    }


def state_json(context: AdminContext) -> dict[str, Any]:
    """Everything that is true in the world now."""
    world, scenario = context.world, context.scenario
    return {
        "accounts": [_account_json(world, account) for account in world.accounts()],
        "open_orders": [order_json(order.view()) for order in world.book.open()],
        "clock": clock_json(context),
        "faults": [fault.describe() for fault in world.faults.active],
        "scenario": {
            "name": scenario.name,
            "hash": scenario.hash,
            "market": scenario.market.value,
            "symbol": scenario.symbol,
        },
        "sessions": list(context.sessions()),
    }


def _account_json(world: SimulatedWorld, account: str) -> dict[str, Any]:
    figures = world.settlement.figures(account)
    return {
        "id": account,
        "cash": round(figures.cash, 4),
        "values": {value.tag: value.value for value in world.account_values(account) if value.currency in ("USD", "")},
        "positions": [
            {
                "contract_key": item.contract.contract_key,
                "con_id": item.contract.con_id,
                "quantity": item.quantity,
                "avg_cost": item.avg_cost,
                "mark": item.market_price,
            }
            for item in world.portfolio(account)
        ],
    }


def order_json(order: OrderView) -> dict[str, Any]:
    """An order as the admin API shows it."""
    return {
        "perm_id": order.perm_id,
        "client_id": order.client_id,
        "order_id": order.order_id,
        "order_ref": order.request.order_ref,
        "account": order.request.account,
        "contract_key": order.contract.contract_key,
        "side": order.request.action,
        "quantity": order.request.quantity,
        "order_type": order.request.order_type,
        "limit_price": order.request.limit_price,
        "status": order.status.value,
        "filled": order.filled,
        "remaining": order.remaining,
        "avg_fill_price": order.avg_fill_price,
    }


def create_admin(context: AdminContext) -> FastAPI:
    """The admin application; all handlers run on the world's own loop."""
    app = FastAPI(title="Bifrost simulator", docs_url=None, redoc_url=None)
    world = context.world

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/state")
    async def state() -> dict[str, Any]:
        return state_json(context)

    @app.get("/clock")
    async def clock() -> dict[str, Any]:
        return clock_json(context)

    @app.post("/clock")
    async def change_clock(change: ClockChange) -> dict[str, Any]:
        try:
            _apply(world, change)
        except ClockError as error:
            raise HTTPException(422, str(error)) from None
        return clock_json(context)

    @app.get("/faults")
    async def faults() -> dict[str, Any]:
        return {"active": [fault.describe() for fault in world.faults.active], "known": catalogue()}

    @app.post("/faults/{name}")
    async def inject(name: str, parameters: Annotated[dict[str, Any] | None, Body()] = None) -> dict[str, Any]:
        try:
            return world.inject(name, parameters or {})
        except UnknownFault as error:
            raise HTTPException(404, str(error)) from None
        except BadParameters as error:
            raise HTTPException(422, str(error)) from None

    @app.delete("/faults/{name}")
    async def end_fault(name: str) -> dict[str, int]:
        if name not in REGISTRY:
            raise HTTPException(404, f"no fault {name!r}; there are {', '.join(sorted(REGISTRY))}")
        ended = world.faults.clear(world, name)
        world.commit()
        return {"ended": ended}

    @app.post("/orders")
    async def manual_order(order: ManualOrder) -> dict[str, Any]:
        try:
            return order_json(world.place_manual(_request(world, order)))
        except BrokerError as error:
            raise HTTPException(409, {"code": error.code, "text": error.text}) from None

    @app.delete("/orders/{perm_id}")
    async def cancel_order(perm_id: int) -> dict[str, Any]:
        try:
            return order_json(world.cancel_manual(perm_id))
        except BrokerError as error:
            raise HTTPException(409, {"code": error.code, "text": error.text}) from None

    @app.get("/journal")
    async def journal(
        since: Annotated[int, Query(ge=0)] = 0,
        client_id: int | None = None,
        message: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
        ticks: bool = False,
    ) -> dict[str, Any]:
        found = world.journal.entries(since, client_id, message, limit, ticks)
        return {"entries": [entry.as_json() for entry in found], "last_seq": world.journal.seq}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(render(world), media_type="text/plain; version=0.0.4")

    return app


def _apply(world: SimulatedWorld, change: ClockChange) -> None:
    if change.speed is not None:
        world.clock.set_speed(change.speed)
    if change.paused is not None:
        world.clock.paused = change.paused
    if change.step_s is not None:
        world.clock.step(change.step_s)
    if change.set is not None:
        world.clock.set(change.set)
    world.step(time.monotonic())
    if world.saver is not None:
        world.saver.save_clock()


def _request(world: SimulatedWorld, order: ManualOrder) -> OrderRequest:
    contract = world.universe.by_key(order.contract_key)
    return OrderRequest(
        contract=ContractQuery(con_id=contract.con_id),
        action=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=order.limit_price,
        aux_price=order.aux_price,
        trailing_percent=order.trailing_percent,
        tif=order.tif,
        outside_rth=order.outside_rth,
        account=order.account,
    )
