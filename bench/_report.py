"""What every bench prints around its figures: machine, versions, command, and a table."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RUNS = Path(__file__).resolve().parents[1] / "docs" / "runs"


def record(name: str, packages: Iterable[str], figures: dict[str, Any]) -> None:
    """Keep a run under docs/runs, with what is needed to judge it: machine, load, versions, commit, command."""
    now = datetime.now(UTC)
    kept = {
        "run": f"bench-{name}",
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        **figures,
    }
    path = RUNS / f"{now:%Y-%m-%d}-bench-{name}.json"
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(f"record: {path.relative_to(RUNS.parents[1])}")


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile (the value that one in a hundred reaches)."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]


def heading(title: str, packages: Iterable[str]) -> None:
    """Title, machine, versions of Python and ``packages``, the commit and the command line."""
    print(f"# {title}")
    print(f"machine: {os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}")
    print(f"load average when it began: {' '.join(f'{load:.2f}' for load in os.getloadavg())}")
    listed = ", ".join(f"{name} {_version(name)}" for name in packages)
    print(f"versions: Python {platform.python_version()}, {listed}, commit {_commit()}")
    print(f"command: {shlex.join(['python', '-m', 'bench', *sys.argv[1:]])}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print ``rows`` under ``columns``; the first column is text, the others are figures."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    for row in (columns, ["-" * width for width in widths], *rows):
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(absent)"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return done.stdout.strip() or "unknown"
