"""The newest lines of a service's log, read backwards over its rotated files (contracts.md, "Logs")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from .times import parse_rfc3339

LEVELS = ("debug", "info", "warning", "error", "critical")
ROTATED = 3
BLOCK_BYTES = 64 * 1024
SCAN_BYTES = 32 * 1024 * 1024
"""A filter that matches nothing must not read without end."""


def log_files(folder: Path, service: str) -> list[Path]:
    """The files of ``service``, newest first."""
    names = [f"{service}.jsonl", *(f"{service}.jsonl.{number}" for number in range(1, ROTATED + 1))]
    return [folder / name for name in names if (folder / name).is_file()]


def tail(
    folder: Path, service: str, *, limit: int, level: str | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Up to ``limit`` newest lines at ``level`` or above written after ``since``, oldest first.

    A line that is no JSON object is kept as a message of its own, because it is what somebody looks for after a crash.
    """
    lowest = LEVELS.index(level) if level else 0
    kept: list[dict[str, Any]] = []
    for file in log_files(folder, service):
        for text in lines_backwards(file):
            line = parsed(text)
            if since is not None and not _after(line, since):
                return kept[::-1]
            if _rank(line) >= lowest:
                kept.append(line)
                if len(kept) >= limit:
                    return kept[::-1]
    return kept[::-1]


def lines_backwards(file: Path) -> Iterator[str]:
    """The non-empty lines of ``file`` from the last to the first, without reading more than is asked for."""
    with file.open("rb") as stream:
        stream.seek(0, 2)
        end = stream.tell()
        lowest = max(0, end - SCAN_BYTES)
        rest = b""
        while end > lowest:
            start = max(lowest, end - BLOCK_BYTES)
            stream.seek(start)
            block = stream.read(end - start) + rest
            end = start
            first, *complete = block.split(b"\n")
            for raw in reversed(complete):
                if raw.strip():
                    yield raw.decode("utf-8", "replace")
            rest = first
        if rest.strip() and lowest == 0:
            yield rest.decode("utf-8", "replace")


def parsed(text: str) -> dict[str, Any]:
    """A line as the service wrote it; one that is no JSON object as a message of its own."""
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    return line if isinstance(line, dict) else {"time": None, "level": "info", "message": text}


def at_least(line: dict[str, Any], level: str | None) -> bool:
    """Whether the line is at ``level`` or above."""
    return level is None or _rank(line) >= LEVELS.index(level)


def _rank(line: dict[str, Any]) -> int:
    level = str(line.get("level", "info")).lower()
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


def _after(line: dict[str, Any], since: datetime) -> bool:
    """Whether the line is newer than ``since``; a line without a time belongs to its newer neighbour."""
    try:
        return parse_rfc3339(str(line["time"]), "time") > since
    except (KeyError, ValueError):
        return True
