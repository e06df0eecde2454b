"""The clients of the bench `tick_order`, each in a process of its own.

``bare``: an unmodified ib_insync whose callback calls placeOrder when the quote has moved; it asks nothing and stores
nothing. ``commit``: the engine as it runs. ``spool``: the same engine, whose records go to the spool and its fdatasync
instead of the database, as they do in an outage, while the core is told that all is well and goes on hedging.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any


def bare(port: int, con_id: int) -> None:
    """Buy when the mid has risen, sell when it has fallen."""
    asyncio.set_event_loop(asyncio.new_event_loop())  # eventkit asks for it while it is imported
    import ib_insync

    ib = ib_insync.IB()
    ib.connect("127.0.0.1", port, clientId=1, timeout=20)
    contract = ib_insync.Contract(
        secType="STK", conId=con_id, symbol="NVDA", exchange="SMART", currency="USD", primaryExchange="NASDAQ"
    )
    ticker = ib.reqMktData(contract)
    last = float("nan")

    def on_ticks(_tickers: Any) -> None:
        nonlocal last
        mid = 0.5 * (ticker.bid + ticker.ask)
        if abs(mid - last) > 0.2:
            side = "BUY" if mid > last else "SELL"
            ib.placeOrder(contract, ib_insync.MarketOrder(side, 100, account="DU1234567", tif="DAY"))
        if mid == mid:
            last = mid

    ib.pendingTickersEvent += on_ticks
    ib.run()


def engine(store: str) -> int:
    """The engine by its own bootstrap; configuration comes from the environment."""
    from bifrost.config import load_config
    from bifrost.log import setup_logging
    from bifrost_engine import bootstrap
    from bifrost_engine.adapters.postgres import store as stores

    setup_logging("engine")
    if store == "spool":

        def to_spool(self: Any, batch: list[Any]) -> None:
            self._to_spool(batch)
            self._spilled = False  # nothing is replayed while the bench runs

        stores.Store._write = to_spool  # type: ignore[method-assign]
    return asyncio.run(bootstrap.run(None, load_config(None)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=("bare", "commit", "spool"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--con-id", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.client == "bare":
        bare(arguments.port, arguments.con_id)
    else:
        sys.exit(engine(arguments.client))
