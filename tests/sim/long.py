"""``python -m tests.sim.long``: a thousand simulated days and ten thousand faults, in as many sittings as it takes.

Each sitting goes on where the last one stopped; what happened stands in docs/runs/<date>-sim.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bifrost import paths

from tests.support import runs

from .world import Outcome, Simulation

DAYS_A_RUN = 10


def main() -> int:
    """0 when every invariant held in this sitting."""
    parser = argparse.ArgumentParser(prog="sim-long", description=__doc__)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=90.0, help="this sitting ends after so long")
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--faults-per-day", type=float, default=14.0)
    options = parser.parse_args()
    begun = time.monotonic()
    file, record = _record(options.first_seed)
    sitting = _sitting(options.faults_per_day)
    record["sittings"].append(sitting)
    while not _complete(record, options) and time.monotonic() - begun < options.minutes * 60.0:
        seed = record["next_seed"]
        outcome = Simulation(seed, DAYS_A_RUN, faults_per_day=options.faults_per_day).run()
        _add(record, sitting, outcome)
        record["complete"] = _complete(record, options)
        sitting["duration_s"] = round(time.monotonic() - begun)
        file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        said = f"BROKEN at {outcome.at}: {outcome.violation}" if outcome.violation else "held"
        print(f"seed {seed}: {said}; {record['days']} days, {record['faults']} faults so far", flush=True)
    again = f"DAYS={DAYS_A_RUN} FAULTS={options.faults_per_day:g}"
    broken = [f"make sim SEED={failure['seed']} {again}" for failure in sitting["violations"]]
    print("\n".join(broken) or f"every invariant held; {'complete' if record['complete'] else 'to be continued'}")
    return 1 if broken else 0


def _complete(record: dict[str, Any], options: argparse.Namespace) -> bool:
    return bool(record["days"] >= options.days and record["faults"] >= options.faults)


def _record(first_seed: int) -> tuple[Path, dict[str, Any]]:
    """The newest run that is not complete, else a new one."""
    folder = paths.repository_root() / "docs" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob("*-sim.json"), reverse=True):
        found = json.loads(file.read_text(encoding="utf-8"))
        if not found["complete"]:
            return file, found
        break
    fresh = {
        "run": "sim",
        "complete": False,
        "outcome": "held",
        "days": 0,
        "faults": 0,
        "next_seed": first_seed,
        "days_a_run": DAYS_A_RUN,
        "lives": 0,
        "orders": 0,
        "executions": 0,
        "checks_at_rest": 0,
        "events": 0,
        "faults_by_kind": {},
        "points_passed": {},
        "sittings": [],
    }
    return folder / f"{datetime.now(UTC):%Y-%m-%d}-sim.json", fresh


def _sitting(faults_per_day: float) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **runs.code(),
        "machine": runs.machine(),
        "faults_a_day": faults_per_day,
        "duration_s": 0,
        "seeds": [],
        "violations": [],
    }


def _add(record: dict[str, Any], sitting: dict[str, Any], outcome: Outcome) -> None:
    record["next_seed"] = outcome.seed + 1
    record["days"] += outcome.days
    record["faults"] += sum(outcome.faults.values())
    record["lives"] += outcome.lives
    record["orders"] += outcome.orders
    record["executions"] += outcome.executions
    record["checks_at_rest"] += outcome.checks
    record["events"] += outcome.events
    for name, counted in (("faults_by_kind", outcome.faults), ("points_passed", outcome.points)):
        record[name] = dict(sorted((Counter(record[name]) + counted).items()))
    sitting["seeds"] = [sitting["seeds"][0] if sitting["seeds"] else outcome.seed, outcome.seed]
    if outcome.violation:
        record["outcome"] = "broken"
        sitting["violations"].append({"seed": outcome.seed, "at": outcome.at, "what": outcome.violation})


if __name__ == "__main__":
    sys.exit(main())
