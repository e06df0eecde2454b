"""GET /logs/{service}?follow=true: each line as it is written, over rotations, resumed by its id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bifrost_monitor.errors import ApiError
from bifrost_monitor.log_follow import LINE_BYTES, LogReader, Place

from tests.monitor.conftest import Monitor, Served


def line(number: int, level: str = "info") -> str:
    return json.dumps({"time": f"2026-03-20T15:00:{number:02d}Z", "level": level, "message": f"line {number}"}) + "\n"


def append(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)


@pytest.mark.integration
def test_lines_come_as_they_are_written(served: Served, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "engine.jsonl"
    append(log, line(1) + line(2))
    with served.stream("/logs/engine?follow=true&limit=1", **served.monitor.bearer) as events:
        assert events.until("log")["message"] == "line 2"
        append(log, line(3)[:20])
        append(log, line(3)[20:] + "Traceback: torn\n")
        assert [events.until("log")["message"] for _ in range(2)] == ["line 3", "Traceback: torn"]
        seen = events.last_id
    append(log, line(4))
    log.rename(log.with_name("engine.jsonl.1"))
    append(log, line(5) + line(6, "error"))
    assert seen is not None
    headers = {**served.monitor.bearer, "Last-Event-ID": seen}
    with served.stream("/logs/engine?follow=true", **headers) as events:
        assert [events.until("log")["message"] for _ in range(3)] == ["line 4", "line 5", "line 6"]
    with served.stream("/logs/engine?follow=true&level=error", **headers) as events:
        assert events.until("log")["message"] == "line 6"


@pytest.mark.integration
def test_following_needs_the_token_and_a_known_id(monitor: Monitor) -> None:
    assert monitor.get("/logs/engine?follow=true").status_code == 401
    wrong = monitor.get("/logs/engine?follow=true", headers={**monitor.bearer, "Last-Event-ID": "7"})
    assert (wrong.status_code, wrong.json()["error"]) == (422, "invalid")


def read_all(reader: LogReader) -> list[str]:
    found: list[str] = []
    while lines := reader.read():
        found += [text for text, _ in lines]
    return found


def test_a_log_that_begins_later_and_one_that_is_cut_short(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, "pricer")
    assert reader.read() == []
    log = tmp_path / "pricer.jsonl"
    append(log, "one\ntwo\n")
    assert read_all(reader) == ["one", "two"]
    log.write_text("new\n", encoding="utf-8")
    assert read_all(reader) == ["new"]


def test_a_rotation_away_from_the_reader_goes_on_with_the_oldest(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, "pricer")
    append(tmp_path / "pricer.jsonl", "gone\n")
    assert read_all(reader) == ["gone"]
    append(tmp_path / "pricer.jsonl.2", "older\n")
    append(tmp_path / "pricer.jsonl.1", "old\n")
    (tmp_path / "next").write_text("new\n", encoding="utf-8")
    (tmp_path / "next").rename(tmp_path / "pricer.jsonl")
    assert read_all(reader) == ["older", "old", "new"]


def test_a_line_without_an_end_is_cut_and_not_kept_in_memory(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, "pricer")
    append(tmp_path / "pricer.jsonl", "x" * (LINE_BYTES + 10))
    assert [len(text) for text in read_all(reader)] == [LINE_BYTES + 10]


@pytest.mark.parametrize("text", ["", "1", "1-", "a-b", "1-2-3", f"{'9' * 21}-1"])
def test_foreign_places_are_refused(text: str) -> None:
    with pytest.raises(ApiError):
        Place.parse(text)
