"""The launcher's smaller parts: environment, logs, news of processes, sections for supervisord, what reset removes."""

from __future__ import annotations

import configparser
import importlib.util
import json
import shlex
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bifrost import paths
from bifrost.db.system_user import moved_note
from bifrost_desk import home as desk_home
from bifrost_desk import logs
from bifrost_desk.run import Watch
from bifrost_desk.supervision import program

from tests.support.waiting import wait_until

ROOT = paths.repository_root()


# -- the environment


def environment() -> ModuleType:
    """tools/desk/environment.py, which belongs to no package because it runs before there is one."""
    spec = importlib.util.spec_from_file_location("desk_environment", ROOT / "tools" / "desk" / "environment.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("version", "good"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_only_the_supported_pythons_will_do(version: tuple[int, int], good: bool) -> None:
    said = environment().check_python(version)
    assert (said == "") is good
    assert good or ("3.11 to 3.13" in said and "PYTHON=" in said)


def test_a_python_without_venv_is_told_which_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt-get install python3.12-venv" in environment().check_python((3, 12))


def test_the_environments_script_reads_on_pythons_that_are_too_old() -> None:
    """Its first task is to say so: a syntax error would say nothing."""
    import ast

    source = (ROOT / "tools" / "desk" / "environment.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    assert "from __future__" not in source


def test_the_fingerprint_follows_the_lock(tmp_path: Path) -> None:
    module, lock = environment(), tmp_path / "x.lock"
    lock.write_text("a==1")
    before = module.fingerprint(lock, module.PACKAGES)
    assert module.fingerprint(lock, module.PACKAGES) == before
    lock.write_text("a==2")
    assert module.fingerprint(lock, module.PACKAGES) != before


def test_a_failing_step_is_told_and_not_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, lock = environment(), tmp_path / "x.lock"
    lock.write_text("")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / ".bifrost-stamp").write_text("of another lock")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert module.make(tmp_path / "venv", lock, module.PACKAGES) == 1
    assert "`/bin/false -m venv" in capsys.readouterr().err
    assert not (tmp_path / "venv" / ".bifrost-stamp").exists()


# -- logs


def test_a_line_is_shown_as_a_person_reads_it() -> None:
    line = json.dumps(
        {
            "time": "2026-05-07T14:00:00.000Z",
            "level": "info",
            "service": "engine",
            "logger": "x",
            "message": "placed",
            "id": 3,
        }
    )
    assert logs.readable(line) == "2026-05-07T14:00:00.000Z info     placed  id=3"
    assert logs.readable("Traceback (most recent call last):") == "Traceback (most recent call last):"
    assert logs.readable("[1, 2]") == "[1, 2]"


def test_following_a_log_survives_its_rotation_and_loses_no_line(tmp_path: Path) -> None:
    file, seen = tmp_path / "engine.jsonl", []
    file.write_text("old\none\ntwo\n")
    follower = logs.lines(file, last=2, follow=True, poll_s=0.01)
    threading.Thread(target=lambda: seen.extend(iter(lambda: next(follower), None)), daemon=True).start()  # type: ignore[arg-type]
    wait_until(lambda: seen == ["one\n", "two\n"], 5, what="the last two lines")
    with file.open("a") as writer:
        writer.write("thr")
        writer.flush()
        writer.write("ee\n")
    file.rename(tmp_path / "engine.jsonl.1")
    file.write_text("four\n")
    wait_until(lambda: seen[2:] == ["three\n", "four\n"], 5, what="the lines across the rotation")


def test_a_log_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.show(tmp_path / "engine.jsonl", last=5, follow=False) == 1
    assert "no log" in capsys.readouterr().err


# -- supervision


def test_a_section_carries_any_path_and_value_unharmed(tmp_path: Path) -> None:
    """Blanks, quotes, commas and per cent signs: a home may be called anything."""
    value = 'a "b", 100% c\\d'
    text = program(
        "engine", ["python", "-m", "x y"], {"HOME_OF": value}, order=3, log=tmp_path / "50% a.out", autostart=False
    )
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    section = parser["program:engine"]
    assert section["stdout_logfile"] == str(tmp_path / "50%% a.out")
    words = shlex.split(section["command"].replace("%%", "%"))
    assert words[-5:] == ["env", f"HOME_OF={value}", "python", "-m", "x y"]
    assert (section["autorestart"], section["exitcodes"]) == ("unexpected", "0")


def process(state: str, pid: int = 0, exit_status: int = 0) -> dict[str, Any]:
    return {"statename": state, "pid": pid, "exitstatus": exit_status}


def test_news_tell_each_change_once(tmp_path: Path) -> None:
    (tmp_path / "engine.out").write_text("first\nno such key: gates.x\n\n")
    watch = Watch(tmp_path)
    assert watch.news({"engine": process("STARTING", 7)}) == []
    assert watch.news({"engine": process("RUNNING", 7)}) == []
    (failed,) = watch.news({"engine": process("EXITED", 0, 2)})
    assert "no such key: gates.x" in failed
    assert watch.news({"engine": process("BACKOFF")}) == []
    assert watch.news({"engine": process("RUNNING", 9)}) == ["engine was restarted (pid 7 is gone, pid 9 runs)"]
    (ended,) = watch.news({"engine": process("EXITED", 0, 0)})
    assert "ended well and stays down" in ended
    assert watch.news({"engine": process("EXITED", 0, 0)}) == []


# -- the home


def test_one_desk_at_a_time(tmp_path: Path) -> None:
    with desk_home.home_lock(tmp_path / "home"):
        assert desk_home.running_pid(tmp_path / "home") is not None
        with pytest.raises(desk_home.AlreadyRunning, match="already"), desk_home.home_lock(tmp_path / "home"):
            pytest.fail("a second desk took the home")
    assert desk_home.running_pid(tmp_path / "home") is None
    with desk_home.home_lock(tmp_path / "home"):
        assert (tmp_path / "home" / desk_home.LOCK).is_file()


def test_reset_takes_the_moved_database_and_leaves_strangers_files(tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    for folder in (moved, home / "logs", home / "spool", home / "simulator", home / "scenarios" / "tape"):
        folder.mkdir(parents=True)
    (moved / "PG_VERSION").write_text("18\n")
    moved_note(home / "postgres").write_text(f"{moved}\n")
    (home / "letters.txt").write_text("mine")
    desk_home.remove(home)
    assert not moved.exists()
    assert sorted(path.name for path in home.iterdir()) == ["letters.txt", "scenarios"]


def test_every_home_is_found_and_no_database_is_searched(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "scenarios" / "tape", tmp_path / "tws", tmp_path / "postgres" / "odd"):
        home.mkdir(parents=True, exist_ok=True)
        (home / desk_home.LOCK).touch()
    assert desk_home.homes_below(tmp_path) == [tmp_path, tmp_path / "scenarios" / "tape", tmp_path / "tws"]
