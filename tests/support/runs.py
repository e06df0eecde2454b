"""Records of long runs: docs/runs/<date>-<name>.json, a list of runs with commit, machine and outcome."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bifrost import paths


def code() -> dict[str, object]:
    """What is about to run: ask before the run, others may commit before it has ended."""
    return {"commit": _git("rev-parse", "HEAD"), "clean": not _git("status", "--porcelain", "--untracked-files=no")}


def machine() -> str:
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def append(name: str, record: dict[str, Any]) -> Path:
    """Add ``record`` to today's runs of ``name``; gives the file."""
    folder = paths.repository_root() / "docs" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y-%m-%d}-{name}.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    file.write_text(json.dumps([*before, record], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(paths.repository_root()), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
