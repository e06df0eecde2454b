"""Records that could not reach the database yet, safe on disk until they can (contracts.md, "Spool").

One file per engine process, ``engine-<instance>.jsonl``, one record a line with its own checksum, on the disk
(fdatasync) before :meth:`Spool.append` returns. The file part knows no SQL: :meth:`Spool.replay` hands each record to
a callable in order. A file being written is locked by its writer (flock), so nobody takes away what is still growing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import math
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from .errors import DatabaseError, RecordRefused

log = logging.getLogger(__name__)

VERSION = 1
_FIELDS = {"v", "record_id", "seq", "epoch", "table", "row", "written_at", "crc32"}


class SpoolError(DatabaseError):
    """The spool cannot be written (disk full, no permission): the record is not safe."""


@dataclass(frozen=True, slots=True)
class SpoolRecord:
    """One row on its way to the database.

    Attributes
    ----------
    table : str
        A table of :mod:`bifrost.db.records`.
    row : Mapping[str, Any]
        Column values; times are ISO text once read back from a file.
    seq : int
        ``(epoch << 40) | n``: rises through the whole life of the desk (:class:`bifrost.db.records.SeqCounter`).
    epoch : int
        Lease epoch of the writer.
    record_id : str
        UUID that makes the record unique in the database.
    written_at : str
        RFC 3339 wall time.
    """

    table: str
    row: Mapping[str, Any]
    seq: int
    epoch: int
    record_id: str = field(default_factory=lambda: str(uuid4()))
    written_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


@dataclass(slots=True)
class ReplayReport:
    """What a replay did."""

    applied: int = 0
    files: int = 0
    torn: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every record found its place."""
        return not (self.torn or self.corrupt or self.refused)


_PLAIN_ALREADY = frozenset({str, int, bool, type(None)})


def plain(value: object) -> object:
    """The JSON form of a column value: ISO times, numbers, text; NaN and infinities become null."""
    if type(value) in _PLAIN_ALREADY:
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        # JSON has no NaN, and PostgreSQL's jsonb refuses it.
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value


def encode(record: SpoolRecord) -> bytes:
    """One line of the file, checksum included."""
    body = {
        "v": VERSION,
        "record_id": record.record_id,
        "seq": record.seq,
        "epoch": record.epoch,
        "table": record.table,
        "row": plain(dict(record.row)),
        "written_at": record.written_at,
    }
    return json.dumps(body | {"crc32": _checksum(body)}, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> SpoolRecord:
    """Read one line back.

    Raises
    ------
    ValueError
        Naming what is wrong with it.
    """
    try:
        body = json.loads(line)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(body, dict) or set(body) != _FIELDS:
        raise ValueError("not the fields of a spool record")
    claimed = body.pop("crc32")
    if claimed != _checksum(body):
        raise ValueError(f"checksum {claimed} does not fit")
    if body["v"] != VERSION:
        raise ValueError(f"version {body['v']}, this Bifrost reads {VERSION}")
    del body["v"]
    return SpoolRecord(**body)


def _checksum(body: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


class Spool:
    """The spool folder as one engine process sees it. :meth:`append` may be called from any thread."""

    def __init__(self, directory: Path, instance_id: UUID | str) -> None:
        self.directory = directory
        self.instance_id = str(instance_id)
        self.path = directory / f"engine-{self.instance_id}.jsonl"
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._size = 0
        self._records = 0

    @property
    def records(self) -> int:
        """Records appended to the present file by this process."""
        return self._records

    def append(self, record: SpoolRecord) -> None:
        """Put a record on the disk; when this returns it survives a crash of the machine.

        Raises
        ------
        SpoolError
            When it does not; the file is left as it was.
        """
        line = encode(record)
        with self._lock:
            try:
                fd = self._open()
                _write_all(fd, line)
                os.fdatasync(fd)
            except OSError as error:
                self._cut_back()
                raise SpoolError(f"spool {self.path} cannot be written: {error.strerror or error}") from error
            self._size += len(line)
            self._records += 1

    def pending_files(self) -> list[Path]:
        """Files that hold records, in the order of their first record's seq."""
        found = [path for path in self.directory.glob("engine-*.jsonl") if path.stat().st_size > 0]
        return sorted(found, key=_first_seq)

    def replay(self, apply: Callable[[SpoolRecord], None]) -> ReplayReport:
        """Hand every record to ``apply`` in order; a file all of whose records were taken is renamed.

        ``apply`` raises :class:`RecordRefused` for a record that will never fit: it is set aside in
        ``<file>.refused`` and reported. Any other error stops the replay and leaves the file for the next time;
        records are unique in the database, so that repeating them does no harm.
        """
        self._rotate()
        report = ReplayReport()
        for path in self.pending_files():
            with _exclusive(path) as free:
                if not free:
                    report.busy.append(path.name)
                    continue
                self._replay_file(path, apply, report)
                _finish(path)
                report.files += 1
        if not report.clean:
            log.error("spool replay: %d torn, %d damaged, %d refused records", *map(len, _set_aside(report)))
        return report

    def close(self) -> None:
        """Close the file; what it holds stays for the next lease holder."""
        with self._lock:
            self._close()

    # -- inner workings

    def _open(self) -> int:
        if self._fd is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            fd = self._fd = _open_locked(self.path)
            self._size = os.fstat(fd).st_size
            if self._size and not _ends_with_newline(self.path):
                # Ours from before a crash of this very call: what is torn stays visible as a damaged line.
                _write_all(fd, b"\n")
                self._size += 1
            _sync_directory(self.directory)
        return self._fd

    def _cut_back(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._records = 0

    def _rotate(self) -> None:
        """Our own file becomes a numbered one, so that appending goes on beside the replay."""
        with self._lock:
            self._close()
            if not self.path.exists():
                return
            number = 1
            while (target := self.path.with_name(f"engine-{self.instance_id}.{number:04d}.jsonl")).exists() or (
                target.with_suffix(".jsonl.done").exists()
            ):
                number += 1
            self.path.rename(target)
            _sync_directory(self.directory)

    def _replay_file(self, path: Path, apply: Callable[[SpoolRecord], None], report: ReplayReport) -> None:
        for number, line, complete in _lines(path):
            where = f"{path.name}:{number}"
            try:
                record = decode(line)
            except ValueError as error:
                if complete:
                    log.error("spool %s is damaged (%s) and was set aside", where, error)
                    _keep(path.with_name(path.name + ".corrupt"), line)
                    report.corrupt.append(where)
                else:
                    log.error("spool %s was torn off by a crash and is dropped", where)
                    report.torn.append(where)
                continue
            try:
                apply(record)
            except RecordRefused as error:
                log.error("spool %s was refused and set aside: %s", where, error)
                _keep(path.with_name(path.name + ".refused"), line)
                report.refused.append(f"{where}: {error}")
                continue
            report.applied += 1


def _set_aside(report: ReplayReport) -> tuple[list[str], list[str], list[str]]:
    return report.torn, report.corrupt, report.refused


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number, content and whether a newline ended it, which only a complete write does."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line, line.endswith(b"\n")


def _first_seq(path: Path) -> tuple[int, str]:
    for _, line, _ in _lines(path):
        with contextlib.suppress(ValueError):
            return decode(line).seq, path.name
    return 0, path.name


def _open_locked(path: Path) -> int:
    """Open for appending under an exclusive lock.

    A replay may rename the file between opening and locking: what is locked must still be what the path names.
    """
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[bool]:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _finish(path: Path) -> None:
    path.rename(path.with_name(path.name + ".done"))
    _sync_directory(path.parent)


def _keep(path: Path, line: bytes) -> None:
    """Append a line to a file of set-aside lines unless an earlier replay put it there."""
    text = line.rstrip(b"\n") + b"\n"
    if path.exists() and text in path.read_bytes().splitlines(keepends=True):
        return
    with path.open("ab") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
