"""``make mutation``: each small mistake planted into gates, machines, sizes and dimensions, and the tests that see it.

A mutant lives in a process of its own, in memory: no file is touched. The unit tests of its part are asked first, and
only one that survives them is shown to the tests of the whole core. Survivors that change no decision are listed with
their reason in `equivalents.json`; any other survivor is a failure. docs/runs keeps the record.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.abc
import importlib.util
import io
import json
import os
import platform
import signal
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path

import exchange_calendars  # noqa: F401  (loaded once, for every child)
import hypothesis  # noqa: F401
import numpy  # noqa: F401
import pytest
from bifrost import paths
from bifrost.config import load_config

from .mutants import Mutant, modules, mutants_of

ROOT = paths.repository_root()
EQUIVALENTS = Path(__file__).with_name("equivalents.json")
#: The unit tests of each part, fastest first.
FIRST = {
    "gates": (
        "tests/engine/test_rule_gates_limits.py",
        "tests/engine/test_rule_gates_sizes.py",
        "tests/engine/test_rule_gates.py",
    ),
    "machines": ("tests/engine/test_machines.py", "tests/engine/test_machine_rows.py"),
    "dimensions": ("tests/engine/test_rule_dimensions.py",),
    "limits": ("tests/engine/test_rule_dimensions.py", "tests/engine/test_rule_gates_sizes.py"),
    "sizing": ("tests/engine/test_rule_dimensions.py",),
}
#: What else would notice.
SECOND = (
    "tests/engine/test_rule_selfcheck.py",
    "tests/engine/test_rule_market.py",
    "tests/engine/test_rule_trading_day.py",
    "tests/engine/test_decide_orders.py",
    "tests/engine/test_decide_ends.py",
    "tests/engine/test_decide_recovery.py",
    "tests/engine/test_decide_accidents.py",
    "tests/engine/test_failure_stories.py",
)
LIMIT_S = 240
#: What a child need not load: these tests ask for no fixture of ours, and a failure is only counted.
PYTEST = (
    "-x", "-q", "--noconftest", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:xdist",
)  # fmt: skip


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        folder = [str(self._mutant.path.parent)] if self._mutant.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self._mutant.path, loader=self, submodule_search_locations=folder
        )

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self._mutant.tree, str(self._mutant.path), "exec"), module.__dict__)


def _seen_by(mutant: Mutant | None, files: Sequence[str]) -> str:
    """`killed`, `timeout` or `survived`: what the tests say of the mutant, in a child of this process."""
    child = os.fork()
    if child == 0:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if mutant is not None:
                sys.meta_path.insert(0, _Planted(mutant))
            with contextlib.suppress(BaseException):
                os._exit(int(pytest.main([*PYTEST, *files])))
            os._exit(1)
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _judge(mutant: Mutant, units_only: bool) -> tuple[Mutant, str]:
    part = mutant.module.removeprefix("bifrost_engine.domain.").partition(".")[0]
    first = [name for name in FIRST[part] if (ROOT / name).exists()]
    said = _seen_by(mutant, first)
    return mutant, _seen_by(mutant, SECOND) if said == "survived" and not units_only else said


def main() -> int:
    """0 when every mutant is seen or known to change no decision."""
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--units-only", action="store_true", help="survivors of the part's unit tests, no record")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    os.chdir(ROOT)
    load_config(None, env={})
    code = {"commit": _git("rev-parse", "HEAD"), "clean": not _git("status", "--porcelain", "--untracked-files=no")}
    if any(name.startswith("bifrost_engine") for name in sys.modules):
        raise RuntimeError("the engine is loaded already: a mutant would not be met")
    begun = time.monotonic()
    judge = functools.partial(_judge, units_only=options.units_only)
    planted = [m for module, path in modules() for m in mutants_of(module, path) if options.only in m.name]
    tests = [*dict.fromkeys((*(name for names in FIRST.values() for name in names), *SECOND))]
    if options.units_only:
        tests = [name for name in tests if name not in SECOND]
    if _seen_by(None, [name for name in tests if (ROOT / name).exists()]) != "survived":
        print("the tests fail without any mutant: mend them first")
        return 2
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
