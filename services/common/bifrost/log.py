"""Logging of every service: one JSON object a line, on stdout and in a rotated file (contracts.md, "Logs").

``LOG_FORMAT=console`` makes stdout readable for people; the file stays JSON. Secrets never reach a line: a filter
removes what looks like one and every value registered with `hide`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from bifrost import paths

MAX_BYTES = 10 * 1024 * 1024
FILES = 3
HIDDEN = "***"

_correlation: ContextVar[str | None] = ContextVar("bifrost_correlation", default=None)
_secrets: set[str] = set()
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_WORD = r"[A-Za-z_]*(?:token|password|passwd|secret|authorization)[A-Za-z_]*"
_SECRET_TEXT = re.compile(
    rf"(?i)(\b{_SECRET_WORD}\b[\"']?\s*[=:]\s*(?:bearer\s+)?[\"']?)([^\s\"'&,;}}]+)"
    r"|(\bbearer\s+)([A-Za-z0-9._~+/=-]{8,})"
    r"|(://[^/\s:@]+:)([^@\s/]+)(?=@)"
)
_SECRET_KEY = re.compile(_SECRET_WORD, re.IGNORECASE)


def hide(secret: str) -> None:
    """Keep ``secret`` out of every line from now on; texts shorter than 6 characters would hide too much."""
    if len(secret) >= 6:
        _secrets.add(secret)


@contextmanager
def correlation(identifier: str) -> Iterator[None]:
    """Every line written inside carries ``correlation_id``, from a decision to its commission."""
    token = _correlation.set(identifier)
    try:
        yield
    finally:
        _correlation.reset(token)


def correlation_id() -> str | None:
    """The identifier in force."""
    return _correlation.get()


def scrub(text: str) -> str:
    """``text`` without secrets."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _SECRET_TEXT.sub(lambda match: (match[1] or match[3] or match[5]) + HIDDEN, text)


def _scrub_value(key: str, value: Any) -> Any:
    if _SECRET_KEY.fullmatch(key) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {str(name): _scrub_value(str(name), inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_scrub_value("", inner) for inner in value]
    return value


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, service, logger, message, correlation id, ``extra`` fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": scrub(record.getMessage()),
        }
        identifier = getattr(record, "correlation_id", None) or _correlation.get()
        if identifier:
            line["correlation_id"] = identifier
        for key, value in vars(record).items():
            if key not in _STANDARD and key not in line:
                line[key] = _scrub_value(key, value)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = scrub(f"{type(error).__name__}: {error}")
            line["traceback"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """For people: time, level, logger, message, extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        extras = {key: _scrub_value(key, value) for key, value in vars(record).items() if key not in _STANDARD}
        identifier = _correlation.get()
        if identifier:
            extras["correlation_id"] = identifier
        fields = "".join(f" {key}={value}" for key, value in extras.items())
        text = f"{moment} {record.levelname:<7} {record.name}: {scrub(record.getMessage())}{fields}"
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + scrub(self.formatException(record.exc_info))
        return text


def setup_logging(service: str, *, level: int | str | None = None, folder: Path | None = None) -> Path | None:
    """Send every log line of this process to stdout and to ``<folder>/<service>.jsonl``.

    Parameters
    ----------
    service : str
        Name of the service and of its file.
    level : int or str, optional
        Else ``LOG_LEVEL``, else INFO.
    folder : Path, optional
        Else `bifrost.paths.log_dir`.

    Returns
    -------
    Path or None
        The file; None when the folder cannot be written, which is said on stdout and stops nothing.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(_level(level))
    stdout = logging.StreamHandler(sys.stdout)
    console = os.environ.get("LOG_FORMAT", "").strip().lower() == "console"
    stdout.setFormatter(ConsoleFormatter() if console else JsonFormatter(service))
    root.addHandler(stdout)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    _catch_uncaught()
    file = (folder or paths.log_dir()) / f"{service}.jsonl"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        rotated = RotatingFileHandler(file, maxBytes=MAX_BYTES, backupCount=FILES - 1, encoding="utf-8")
    except OSError as error:
        logging.getLogger(__name__).warning("no log file %s: %s", file, error)
        return None
    rotated.setFormatter(JsonFormatter(service))
    root.addHandler(rotated)
    return file


def _level(level: int | str | None) -> int:
    wanted = level if level is not None else os.environ.get("LOG_LEVEL", "").strip() or logging.INFO
    if isinstance(wanted, int):
        return wanted
    return logging.getLevelNamesMapping().get(wanted.upper(), logging.INFO)


def _catch_uncaught() -> None:
    """An exception that nobody caught ends as one line, from whatever thread."""
    logger = logging.getLogger("bifrost.uncaught")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logger.critical("uncaught %s: %s", kind.__name__, error, exc_info=(kind, error, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread


def read_lines(file: Path, keep: Callable[[dict[str, Any]], bool] = lambda line: True) -> Iterator[dict[str, Any]]:
    """The lines of a log file that ``keep`` accepts, oldest first; a torn line is left out."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and keep(line):
                yield line
