"""`make logs S=engine`: one service's log, readable, followed.

Standard library only: with containers the same file is handed to the interpreter of the monitor's container.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

SERVICES = ("engine", "pricer", "monitor", "simulator", "backtest")
_HEAD = frozenset({"time", "level", "message", "logger", "service"})


def readable(line: str) -> str:
    """A JSON line as a person reads it: time, level, message, then the rest as key=value; other lines as they are."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "message" not in record:
        return line
    rest = " ".join(f"{key}={value}" for key, value in record.items() if key not in _HEAD and value not in (None, ""))
    head = f"{record.get('time', '')!s:24} {record.get('level', '')!s:8} {record['message']}"
    return f"{head}  {rest}".rstrip()


def lines(path: Path, *, last: int, follow: bool, poll_s: float = 0.2) -> Iterator[str]:
    """The last lines of ``path`` and, when following, every new one, across rotations."""
    while not path.is_file():
        if not follow:
            return
        time.sleep(poll_s)
    while True:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from (line for line in deque(file, maxlen=last) if line.endswith("\n"))
            if not follow:
                return
            yield from _followed(path, file.fileno(), file, poll_s)
        last = 1_000_000


def _followed(path: Path, descriptor: int, file: Iterator[str], poll_s: float) -> Iterator[str]:
    """New lines of an open file until ``path`` names another file and this one has no more."""
    part = ""
    while True:
        for piece in file:
            part += piece
            if part.endswith("\n"):
                yield part
                part = ""
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino != os.fstat(descriptor).st_ino and not next(file, ""):
                return
        time.sleep(poll_s)


def show(path: Path, *, last: int, follow: bool) -> int:
    """Print the log; 1 when there is none."""
    if not path.is_file():
        print(f"no log {path} yet" + ("; waiting for it" if follow else ""), file=sys.stderr, flush=True)
        if not follow:
            return 1
    for line in lines(path, last=last, follow=follow):
        print(readable(line.rstrip("\n")), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(show(Path(sys.argv[1]), last=int(sys.argv[2]), follow=sys.argv[3:] == ["follow"]))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)
