"""Log lines: JSON, complete, rotated, without secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from bifrost import log


@pytest.fixture(autouse=True)
def _clean_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level, hook = list(root.handlers), root.level, sys.excepthook
    yield
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    for handler in before:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)
    sys.excepthook = hook
    log._secrets.clear()


def last_line(file: Path) -> dict[str, object]:
    lines = list(log.read_lines(file))
    return lines[-1]


def test_line_has_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    file = log.setup_logging("engine", folder=tmp_path)
    assert file == tmp_path / "engine.jsonl"
    with log.correlation("BFABC"):
        logging.getLogger("bifrost.test").warning("order %s", "sent", extra={"quantity": 25, "age_ms": 1.5})
    line = last_line(file)
    assert line["message"] == "order sent" and line["level"] == "warning" and line["service"] == "engine"
    assert line["correlation_id"] == "BFABC" and line["quantity"] == 25 and line["age_ms"] == 1.5
    assert str(line["time"]).endswith("Z") and log.correlation_id() is None


@pytest.mark.parametrize(
    "text",
    [
        "GET /?token=s3cr3t-value HTTP/1.1",
        "Authorization: Bearer s3cr3t-value",
        "password='s3cr3t-value'",
        "PGPASSWORD=s3cr3t-value host=x",
        '{"token": "s3cr3t-value"}',
        "postgresql://bifrost:s3cr3t-value@127.0.0.1/db",
        "bearer s3cr3t-value",
    ],
)
def test_what_looks_like_a_secret_is_removed(text: str) -> None:
    assert "s3cr3t" not in log.scrub(text) and log.HIDDEN in log.scrub(text)


def test_harmless_text_stays() -> None:
    text = "BUY 25 NVDA at 140.25, host=127.0.0.1:4002 reason=delta"
    assert log.scrub(text) == text


def test_registered_secrets_are_removed_everywhere(tmp_path: Path) -> None:
    file = log.setup_logging("monitor", folder=tmp_path)
    assert file is not None
    log.hide("abcdef123456")
    try:
        raise ValueError("bad abcdef123456")
    except ValueError:
        logging.getLogger("x").exception("seen %s", "abcdef123456", extra={"detail": {"deep": ["abcdef123456"]}})
    text = file.read_text(encoding="utf-8")
    assert "abcdef123456" not in text and "ValueError" in text
    logging.getLogger("x").info("login", extra={"password": "whatever1", "api_token": "zzz"})
    line = last_line(file)
    assert line["password"] == log.HIDDEN and line["api_token"] == log.HIDDEN


def test_file_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 2000)
    log.setup_logging("pricer", folder=tmp_path)
    for number in range(100):
        logging.getLogger("x").info("line %d", number)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["pricer.jsonl", "pricer.jsonl.1", "pricer.jsonl.2"]
    assert all(item.stat().st_size <= 2000 for item in tmp_path.iterdir())


def test_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert log.setup_logging("engine", folder=blocked) is None
    assert "no log file" in capsys.readouterr().out


def test_console_format_is_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "console")
    file = log.setup_logging("engine", folder=tmp_path)
    logging.getLogger("x").info("hello", extra={"token": "abc"})
    out = capsys.readouterr().out
    assert "INFO" in out and "hello" in out and not out.lstrip().startswith("{") and "abc" not in out
    assert file is not None and last_line(file)["message"] == "hello"


def test_uncaught_exceptions_end_as_one_line(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import threading, pathlib
        from bifrost.log import setup_logging
        setup_logging("engine", folder=pathlib.Path({str(tmp_path)!r}))
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start(); thread.join()
        raise RuntimeError("the end")
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    assert done.returncode == 1 and done.stderr == ""
    assert [line["error"] for line in lines] == ["ZeroDivisionError: division by zero", "RuntimeError: the end"]


def test_reading_leaves_out_torn_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"level": "info"}\n{"lev\n[]\n{"level": "error"}\n', encoding="utf-8")
    assert [line["level"] for line in log.read_lines(file)] == ["info", "error"]
    assert len(list(log.read_lines(file, lambda line: line["level"] == "error"))) == 1
