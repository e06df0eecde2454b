"""``make mutation``: each small mistake planted into gates, machines, sizes and dimensions, and the tests that see it.

A mutant lives in a process of its own, in memory: no file is touched. The unit tests of its part are asked first; one
that survives them unexpectedly is shown to the tests of the whole core. Survivors that change no decision are listed
with their reason in `equivalents.json`; any other survivor is a failure. docs/runs keeps the record.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from bifrost import paths
from hypothesis import settings

from .mutants import Mutant, modules, mutants_of
from .planting import Case, cases_of, seen_by

ROOT = paths.repository_root()
EQUIVALENTS = Path(__file__).with_name("equivalents.json")
#: The unit tests of each part, fastest first.
FIRST = {
    "gates": ("test_rule_gates_limits", "test_rule_gates_sizes", "test_rule_gates"),
    "machines": ("test_machine_rows", "test_machines"),
    "dimensions": ("test_rule_dimensions",),
    "execution": ("test_rule_limits", "test_rule_dimensions", "test_decide_reprices"),
}
#: What else would notice.
SECOND = (
    "test_rule_selfcheck",
    "test_rule_market",
    "test_rule_trading_day",
    "test_decide_orders",
    "test_decide_ends",
    "test_decide_rules",
    "test_decide_recovery",
    "test_failure_stories",
)


def _tests(names: Sequence[str]) -> list[Case]:
    return cases_of([f"tests.engine.{name}" for name in names])


def _judge(mutant: Mutant, first: dict[str, list[Case]]) -> tuple[Mutant, str]:
    part = mutant.module.removeprefix("bifrost_engine.domain.").partition(".")[0]
    return mutant, seen_by(mutant, first[part])


def _sound(cases: Sequence[Case]) -> bool:
    """Tests that fail by themselves would see every mutant."""
    if seen_by(None, cases) == "survived":
        return True
    print("the tests fail without any mutant: mend them first")
    return False


def main() -> int:
    """0 when every mutant is seen or known to change no decision."""
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--units-only", action="store_true", help="survivors of the part's unit tests, no record")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    code = {"commit": _git("rev-parse", "HEAD"), "clean": not _git("status", "--porcelain", "--untracked-files=no")}
    begun = time.monotonic()
    # The same examples for every mutant, and none kept.
    settings.register_profile("mutation", database=None, derandomize=True)
    settings.load_profile("mutation")
    first = {part: _tests(names) for part, names in FIRST.items()}
    planted = [m for module, path in modules() for m in mutants_of(module, path) if options.only in m.name]
    if not _sound([case for cases in first.values() for case in cases]):
        return 2
    judge = functools.partial(_judge, first=first)
    judged: dict[str, list[str]] = {"killed": [], "timeout": [], "survived": []}
    with ThreadPoolExecutor(options.workers) as pool:
        for number, (mutant, said) in enumerate(pool.map(judge, planted), 1):
            judged[said].append(mutant.name)
            if said != "killed":
                print(f"{said}: {mutant.path.name}:{mutant.line}: {mutant.name}", flush=True)
            if number % 100 == 0:
                print(f"{number} of {len(planted)}, {time.monotonic() - begun:.0f} s", flush=True)
    known: dict[str, str] = json.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    survivors = [name for name in judged["survived"] if name not in known]
    if survivors and not options.units_only:
        second = _tests(SECOND)
        if not _sound(second):
            return 2
        late = [m.name for m in planted if m.name in survivors and seen_by(m, second) != "survived"]
        judged["killed"] += late
        judged["survived"] = [name for name in judged["survived"] if name not in late]
        survivors = [name for name in survivors if name not in late]
    stale = [name for name in known if name in judged["killed"]]
    duration_s = round(time.monotonic() - begun)
    if not (options.no_record or options.only or options.units_only):
        _record({**code, "duration_s": duration_s}, judged, known, survivors)
    print(
        f"{len(planted)} mutants: {len(judged['killed'])} killed, {len(judged['timeout'])} ran into their time, "
        f"{len(judged['survived']) - len(survivors)} equivalent, {len(survivors)} survived; {duration_s} s"
    )
    for name in stale:
        print(f"no equivalent, it is seen: {name}")
    return 1 if survivors or stale else 0


def _record(run: dict[str, object], judged: dict[str, list[str]], known: dict[str, str], survivors: list[str]) -> None:
    record = {
        "run": "mutation",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **run,
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "mutants": sum(len(names) for names in judged.values()),
        "killed": len(judged["killed"]),
        "timeouts": judged["timeout"],
        "equivalents": {name: known[name] for name in judged["survived"] if name in known},
        "survivors": survivors,
        "outcome": "survivors" if survivors else "held",
    }
    folder = ROOT / "docs" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y-%m-%d}-mutation.json"
    file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
