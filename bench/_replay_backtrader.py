"""backtrader's side of the bench `replay`, in an environment of its own: a task from stdin, its figures to stdout.

One data feed carries the stock's second bars with the leg's quote as further lines: twenty-one feeds would be slower.
Everything is loaded before it runs, its own fastest way; memory grows with the tape then. Only `cerebro.run` is timed.
Orders fill at the next second's mid, without costs.
"""

import json
import sys
import time

import backtrader as bt
from _replay_strategy import BandHedger
from _replay_tape import days


class Seconds(bt.feed.DataBase):
    """The tape as bars of a second."""

    lines = ("leg", "leg_mid")
    params = (("rows", None), ("timeframe", bt.TimeFrame.Seconds))

    def start(self):
        super().start()
        self.ahead = iter(self.p.rows)

    def _load(self):
        row = next(self.ahead, None)
        if row is None:
            return False
        at_s, mid, leg, leg_mid = row
        # backtrader's own conversion from epoch seconds to its days.
        self.lines.datetime[0] = 719163.0 + at_s / 86400.0
        self.lines.open[0] = self.lines.high[0] = self.lines.low[0] = self.lines.close[0] = mid
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        self.lines.leg[0], self.lines.leg_mid[0] = leg, leg_mid
        return True


class Hedging(bt.Strategy):
    params = (("hedger", None), ("times", None))

    def next(self):
        data = self.data
        self.now_s = next(self.p.times)
        shares = self.p.hedger.second(self.now_s, data.close[0], int(data.leg[0]), data.leg_mid[0])
        if shares:
            (self.buy if shares > 0 else self.sell)(size=abs(shares))

    def notify_order(self, order):
        if order.status == order.Completed:
            self.p.hedger.filled(self.now_s + 1.0, order.executed.size)


def main():
    task = json.load(sys.stdin)
    rows = []
    for day in days(task["sessions"], task["expires_s"], task["quotes"]):
        columns = (day[:, 0], (day[:, 1] + day[:, 2]) / 2, day[:, 3], (day[:, 4] + day[:, 5]) / 2)
        rows += zip(*(column.tolist() for column in columns), strict=True)
    hedger = BandHedger(task["expires_s"], task["entry_s"])
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Seconds(rows=rows))
    cerebro.addstrategy(Hedging, hedger=hedger, times=iter([row[0] for row in rows]))
    cerebro.broker.setcash(1e9)
    began = time.process_time()
    cerebro.run()
    seconds = time.process_time() - began
    print(json.dumps({"version": bt.__version__, "seconds": seconds, "quotes": 2 * len(rows), "hedges": hedger.hedges}))


if __name__ == "__main__":
    main()
