"""`make logs S=engine`: one service's log, readable, followed."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

SERVICES = ("engine", "pricer", "monitor", "simulator")
_FIXED = frozenset({"ts", "level", "message", "logger", "service"})


def readable(line: str) -> str:
    """A JSON line as a person reads it; anything else as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    rest = " ".join(f"{key}={value}" for key, value in record.items() if key not in _FIXED and value not in (None, ""))
    head = f"{str(record.get('ts', ''))[:23]} {record.get('level', '')!s:8} {record.get('message', '')}"
    return f"{head}  {rest}".rstrip()


def lines(path: Path, *, last: int, follow: bool, poll_s: float = 0.2) -> Iterator[str]:
    """The last lines of ``path`` and, when following, every new one; a rotated file is reopened."""
    while not path.is_file():
        if not follow:
            return
        time.sleep(poll_s)
    while True:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from deque(file, maxlen=last)
            if not follow:
                return
            inode = os.fstat(file.fileno()).st_ino
            while True:
                line = file.readline()
                if line:
                    yield line
                    continue
                time.sleep(poll_s)
                if path.is_file() and path.stat().st_ino != inode:
                    last = 1_000_000
                    break
