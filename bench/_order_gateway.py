"""The gateway of the bench `tick_order`: moves the stock's quote and times until an order for it arrives.

The simulator's own world and wire. Its market stands still; a tick is a shift of the stock's published quote, up and
down in turn, sent when the client's last order has filled and everything has been quiet. The time runs from the moment
before the tick is published to the moment the decoded order reaches the world, on this process's clock alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bifrost.config import load_scenario
from bifrost_simulator.build import build_world
from bifrost_simulator.market.base import Quote
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.session import SessionLimits

VERSION = 176
SHIFT_USD = 0.50
STEP_S = 0.02
#: A tick that no order answers within this time is counted as missed.
PATIENCE_S = 5.0
READY_S = 90.0


class Stage:
    """A world whose stock quote this process moves."""

    def __init__(self, scenario: Path) -> None:
        self.world = build_world(load_scenario(scenario))
        self.shift = 0.0
        self.arrived_s = 0.0
        self._ordered = asyncio.Event()
        self.stock = self.world.universe.stock
        disturb, place = self.world.board.disturb, self.world.place_order

        def shifted(con_id: int, quote: Quote) -> Quote:
            if disturb is not None:
                quote = disturb(con_id, quote)
            if con_id != self.stock.con_id:
                return quote
            moved = {name: round(getattr(quote, name) + self.shift, 2) for name in ("bid", "ask", "last")}
            return replace(quote, **moved, bid_size=100_000.0, ask_size=100_000.0)

        def timed(client_id: int, order_id: int, request: Any) -> None:
            self.arrived_s = time.perf_counter()
            self._ordered.set()
            place(client_id, order_id, request)

        self.world.board.disturb = shifted
        self.world.place_order = timed  # type: ignore[method-assign]

    async def live(self) -> None:
        """Match orders and keep the lines alive."""
        while True:
            self.world.step(time.monotonic())
            await asyncio.sleep(STEP_S)

    async def quiet(self, seconds: float) -> None:
        """Until no order has come for ``seconds``; what came before is forgotten."""
        while True:
            self._ordered.clear()
            await asyncio.sleep(seconds)
            if not self._ordered.is_set():
                return

    async def tick(self, shift: float) -> float | None:
        """Seconds from a tick to the order, None when none came."""
        self.shift = shift
        self._ordered.clear()
        began_s = time.perf_counter()
        self.world.feed._publish([self.stock.con_id])
        self.world.dispatcher.flush()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._ordered.wait()
        except TimeoutError:
            return None
        return self.arrived_s - began_s


async def main(given: argparse.Namespace) -> None:
    stage = Stage(given.scenario)
    limits = SessionLimits(version_cap=VERSION, messages_per_second=0)
    server = Gateway(stage.world, port=0, limits=limits)
    await server.start()
    stage.world.step(time.monotonic())
    print(json.dumps({"port": server.port, "con_id": stage.stock.con_id}), flush=True)
    living = asyncio.ensure_future(stage.live())
    choose = random.Random(7)
    while not stage.world.feed.line_count():
        await asyncio.sleep(0.05)
    # The client is warm when it answers a tick at once; an engine first reconciles and hedges what it holds.
    shift, ready_by_s = SHIFT_USD, time.monotonic() + READY_S
    answered = 0
    while answered < given.warm:
        if time.monotonic() > ready_by_s:
            raise SystemExit("bench: the client answered no tick")
        shift = -shift
        answered += (await stage.tick(shift)) is not None
        await stage.quiet(0.3)
    gc.collect()
    gc.freeze()
    taken, missed = [], 0
    while len(taken) < given.samples and missed <= given.samples // 5:
        await stage.quiet(0.12 + 0.05 * choose.random())
        shift = -shift
        seconds = await stage.tick(shift)
        if seconds is None:
            missed += 1
        else:
            taken.append(seconds)
    print(json.dumps({"seconds": taken, "missed": missed}), flush=True)
    living.cancel()
    await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--warm", type=int, default=5)
    asyncio.run(main(parser.parse_args()))
