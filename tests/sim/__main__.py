"""``python -m tests.sim --seed N --days D``: simulated days, replayed exactly by the same seed."""

from __future__ import annotations

import argparse
import sys
import time

from . import sweep
from .world import Simulation


def main() -> int:
    """0 when every invariant held."""
    parser = argparse.ArgumentParser(prog="sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--faults", type=float, default=12.0, help="troubles a day")
    parser.add_argument("--sweep", default=None, help="one fault in every place of a morning: all, or one, `kill 131`")
    options = parser.parse_args()
    if options.sweep:
        return _sweep(options.seed, options.sweep)
    begun = time.process_time()
    outcome = Simulation(options.seed, options.days, faults_per_day=options.faults).run()
    print(
        f"seed {outcome.seed}, {outcome.days} of {options.days} days: {outcome.lives} lives, {outcome.orders} orders, "
        f"{outcome.executions} executions, {sum(outcome.faults.values())} faults, {outcome.checks} checks, "
        f"{outcome.events} events, tape {outcome.tape}, {time.process_time() - begun:.1f} s of CPU"
    )
    if outcome.violation:
        print(f"BROKEN at {outcome.at}: {outcome.violation}")
        print(f"again: make sim SEED={options.seed} DAYS={options.days} FAULTS={options.faults:g}")
    return 0 if outcome.held else 1


def _sweep(seed: int, which: str) -> int:
    """Play a morning with one fault in each place, or in the one that is named."""
    try:
        places = list(sweep.places(seed)) if which == "all" else [sweep.Place.parse(which)]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    broken = 0
    for place in places:
        outcome = sweep.play(place, seed)
        if not outcome.held:
            broken += 1
            print(f"BROKEN at {outcome.at}: {outcome.violation}")
            print(f'again: make sim SEED={seed} SWEEP="{place}"', flush=True)
    print(f"seed {seed}: {len(places)} places, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
