"""``python -m tests.chaos``: kills, cuts, database stops, stops of the desk, a latched breaker; see docs/runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.support import runs

from .driver import TAKE_OVER_S, Broken, Chaos, Story
from .world import World

FOREIGN = ("PG", "IB_", "SIM_", "MONITOR_", "BIFROST_")


def main() -> int:
    """0 when everything held, 1 when something broke."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--database-stops", type=int, default=20)
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--breakers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=None, help="deal no further blow after so long")
    parser.add_argument("--order-type", choices=("market", "limit"), default="market")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first violation")
    parser.add_argument("--folder", type=Path, default=None, help="homes and logs; default: a temporary one, kept")
    parser.add_argument("--no-record", action="store_true", help="leave no file in docs/runs")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    # An ordered end takes engines, simulator and database along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(3), "big")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bifrost-chaos-run-"))
    print(f"seed {seed}, logs in {folder}", flush=True)
    begun, code = time.monotonic(), runs.code()
    with World(folder, {"BIFROST_ORDER__ORDER_TYPE": options.order_type}) as world:
        chaos = Chaos(world, seed, lambda line: print(line, flush=True))
        try:
            chaos.run(
                kills=options.kills,
                cuts=options.cuts,
                database_stops=options.database_stops,
                stops=options.stops,
                breakers=options.breakers,
                stop_at_first=not options.go_on,
                limit_s=None if options.minutes is None else 60.0 * options.minutes,
            )
        except Broken as error:
            if not chaos.story.failures:
                chaos.story.failures.append({"number": 0, "wrong": [str(error)]})
    late = [took_s for took_s in chaos.story.take_overs_s if took_s > TAKE_OVER_S]
    if late:
        sentence = f"a standby took over only after {late} s, {TAKE_OVER_S:g} are allowed"
        chaos.story.failures.append({"number": 0, "wrong": [sentence]})
    held = not chaos.story.failures
    duration_s = time.monotonic() - begun
    if not options.no_record:
        _record(chaos, code, seed, options, duration_s)
    counts = ", ".join(f"{count} × {kind}" for kind, count in sorted(chaos.story.counts().items()))
    print(f"{'held' if held else 'BROKEN'}: {counts}; {chaos.story.orders} orders, {duration_s:.0f} s, seed {seed}")
    return 0 if held else 1


def _record(chaos: Chaos, code: dict[str, object], seed: int, asked: argparse.Namespace, duration_s: float) -> None:
    story = chaos.story
    recovered = sorted(float(str(blow["recovered_s"])) for blow in story.blows)
    record = {
        "run": "chaos",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **code,
        "seed": seed,
        "machine": runs.machine(),
        "order_type": asked.order_type,
        "duration_s": round(duration_s),
        "asked": {
            "kill": asked.kills,
            "cut": asked.cuts,
            "database": asked.database_stops,
            "stop": asked.stops,
            "breaker": asked.breakers,
        },
        "dealt": story.counts(),
        "orders": story.orders,
        "executions": story.executions,
        "hedging_again_s": {
            "median": recovered[len(recovered) // 2] if recovered else None,
            "longest": recovered[-1] if recovered else None,
        },
        "take_over_s": _take_over(story),
        "outcome": "held" if not story.failures else "broken",
        "failures": story.failures,
    }
    runs.append("chaos", record)


def _take_over(story: Story) -> dict[str, object]:
    """Seconds from the kill of a leader until its standby held the lease."""
    took = sorted(story.take_overs_s)
    middle = took[len(took) // 2] if took else None
    return {"times": len(took), "median": middle, "longest": took[-1] if took else None}


if __name__ == "__main__":
    sys.exit(main())
