"""A service's log line by line as it is written, over rotations and restarts of the service.

An event's id names the file (its inode, which a rotation keeps) and the byte after the line, so that a client goes on
where it was, at any monitor that reads the same folder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .errors import ApiError
from .log_tail import at_least, log_files, parsed, tail
from .sse import ALIVE, ALIVE_S, event, opening

POLL_S = 0.3
READ_BYTES = 1024 * 1024
"""At most so much of a file at once; the rest follows at once."""
LINE_BYTES = 256 * 1024
"""A longer line is cut: a log that holds none would be read into memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """A byte of a file."""

    inode: int
    offset: int

    def __str__(self) -> str:
        return f"{self.inode}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises `ApiError` for what is no event id of a log."""
        parts = text.strip().split("-")
        if len(parts) != 2 or not all(part.isdecimal() and part.isascii() and len(part) < 20 for part in parts):
            raise ApiError(422, "invalid", f"Last-Event-ID = {text!r} is none of a log; leave it out to begin anew")
        return cls(int(parts[0]), int(parts[1]))


def follow_log(
    folder: Path,
    service: str,
    *,
    limit: int,
    level: str | None = None,
    since: datetime | None = None,
    resume: str | None = None,
) -> AsyncIterator[bytes]:
    """Events ``log``: the newest ``limit`` lines after ``since``, or those after ``resume``; then each as it comes.

    Raises
    ------
    ApiError
        For a ``resume`` that is no event id of a log.
    OSError
        When the log cannot be read.
    """
    place = None if resume is None else Place.parse(resume)
    reader = LogReader(folder, service)
    known = place is not None and reader.go_to(place)
    first = [] if known else tail(folder, service, limit=limit, level=level, since=since)
    if not known:
        reader.go_to_end()
    return _follow(reader, first, level)


async def _follow(reader: LogReader, first: list[dict[str, Any]], level: str | None) -> AsyncIterator[bytes]:
    yield opening()
    for line in first:
        yield event("log", line, reader.place)
    told_at = time.monotonic()
    while True:
        found = await asyncio.to_thread(reader.read)
        for text, place in found:
            line = parsed(text)
            if at_least(line, level):
                yield event("log", line, place)
        if found:
            told_at = time.monotonic()
            continue
        if time.monotonic() - told_at >= ALIVE_S:
            yield ALIVE
            told_at = time.monotonic()
        await asyncio.sleep(POLL_S)


class LogReader:
    """Reads complete lines from a place onwards, through rotated files into the present one."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder
        self._service = service
        self.place = Place(0, 0)

    def go_to(self, place: Place) -> bool:
        """Go on at ``place``; False when its file is no longer there."""
        for file in log_files(self._folder, self._service):
            found = file.stat()
            if found.st_ino == place.inode and found.st_size >= place.offset:
                self.place = place
                return True
        return False

    def go_to_end(self) -> None:
        """Go on with the next line."""
        files = log_files(self._folder, self._service)
        if files:
            found = files[0].stat()
            self.place = Place(found.st_ino, found.st_size)

    def read(self) -> list[tuple[str, Place]]:
        """The lines that have been completed, each with the place after it; [] when there is none yet."""
        files = log_files(self._folder, self._service)[::-1]
        inodes = [file.stat().st_ino for file in files]
        if self.place.inode not in inodes:
            # Rotated away while nobody read, or the first file of all: go on with the oldest there is.
            if not files:
                return []
            self.place = Place(inodes[0], 0)
        for file, inode in zip(files, inodes, strict=True):
            if inode == self.place.inode:
                found = self._lines(file)
                if found:
                    return found
                newer = inodes[inodes.index(inode) + 1 :]
                if not newer:
                    return []
                self.place = Place(newer[0], 0)
        return []

    def _lines(self, file: Path) -> list[tuple[str, Place]]:
        if file.stat().st_size < self.place.offset:
            self.place = Place(self.place.inode, 0)  # cut short in place
        with file.open("rb") as stream:
            stream.seek(self.place.offset)
            block = stream.read(READ_BYTES)
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) < LINE_BYTES:
            return []
        offset, found = self.place.offset, []
        for raw in block[: end or len(block)].splitlines(keepends=True):
            offset += len(raw)
            if raw.strip():
                found.append((raw.decode("utf-8", "replace").rstrip("\r\n"), Place(self.place.inode, offset)))
        self.place = Place(self.place.inode, offset)
        return found
