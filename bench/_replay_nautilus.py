"""nautilus_trader's side of the bench `replay`, in an environment of its own: a task from stdin, its figures to stdout.

A quote tick for each quote; the strategy works once a second, when the leg's quote has come. Data go in a day at a time
(the engine's streaming mode); only `BacktestEngine.run` is timed, not the making of ticks. Orders fill at the touch.
"""

import json
import sys
import time
from decimal import Decimal
from importlib.metadata import version

from _replay_strategy import BandHedger
from _replay_tape import EXPIRY, LEGS, days
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, AssetClass, OmsType, OptionKind, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity, OptionContract
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
_NS = 1_000_000_000


class Hedging(Strategy):
    def __init__(self, hedger, stock, legs):
        super().__init__()
        self.hedger, self.stock = hedger, stock
        self.number = {leg.id: number for number, leg in enumerate(legs)}
        self.spot = None

    def on_start(self):
        self.subscribe_quote_ticks(self.stock.id)
        for leg in self.number:
            self.subscribe_quote_ticks(leg)

    def on_quote_tick(self, tick):
        leg = self.number.get(tick.instrument_id)
        mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) / 2
        if leg is None:
            self.spot = mid
            return
        shares = self.hedger.second(tick.ts_event / _NS, self.spot, leg, mid)
        if shares:
            side = OrderSide.BUY if shares > 0 else OrderSide.SELL
            self.submit_order(self.order_factory.market(self.stock.id, side, Quantity.from_int(abs(shares))))

    def on_order_filled(self, event):
        sign = 1 if event.order_side == OrderSide.BUY else -1
        self.hedger.filled(event.ts_event / _NS, sign * event.last_qty.as_double())


def _stock():
    return Equity(InstrumentId(Symbol("NVDA"), VENUE), Symbol("NVDA"), USD, 2, Price.from_str("0.01"),
                  Quantity.from_int(1), 0, 0)  # fmt: skip


def _leg(strike, right, expires_s):
    name = f"NVDA{EXPIRY}{right}{strike:g}"
    kind = OptionKind.CALL if right == "C" else OptionKind.PUT
    return OptionContract(
        InstrumentId(Symbol(name), VENUE), Symbol(name), AssetClass.EQUITY, USD, 2, Price.from_str("0.01"),
        Quantity.from_int(100), Quantity.from_int(1), "NVDA", kind, Price.from_str(f"{strike:.2f}"),
        0, int(expires_s * _NS), 0, 0,
    )  # fmt: skip


def _ticks(day, stock, legs):
    size = Quantity.from_int(500)
    ticks = []
    for at_s, bid, ask, leg, leg_bid, leg_ask in day.tolist():
        at_ns = int(at_s) * _NS
        ticks.append(QuoteTick(stock.id, Price(bid, 2), Price(ask, 2), size, size, at_ns, at_ns))
        ticks.append(QuoteTick(legs[int(leg)].id, Price(leg_bid, 2), Price(leg_ask, 2), size, size, at_ns, at_ns))
    return ticks


def main():
    task = json.load(sys.stdin)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(1e9, USD)], USD, Decimal(1))
    stock = _stock()
    legs = [_leg(strike, right, task["expires_s"]) for strike, right in LEGS]
    for instrument in (stock, *legs):
        engine.add_instrument(instrument)
    hedger = BandHedger(task["expires_s"], task["entry_s"])
    engine.add_strategy(Hedging(hedger, stock, legs))
    seconds, quotes = 0.0, 0
    for day in days(task["sessions"], task["expires_s"], task["quotes"]):
        ticks = _ticks(day, stock, legs)
        quotes += len(ticks)
        engine.add_data(ticks, sort=False)
        began = time.process_time()
        engine.run(streaming=True)
        seconds += time.process_time() - began
        engine.clear_data()
    engine.end()
    print(json.dumps({"version": version("nautilus_trader"), "seconds": seconds, "quotes": quotes,
                      "hedges": hedger.hedges}))  # fmt: skip


if __name__ == "__main__":
    main()
