"""The home of a run: one desk at a time, what it holds, what `make reset` removes, and the operator's token."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
from bifrost.db.schema import ensure_secret
from bifrost.db.system_user import moved_dir, moved_note

from .plan import Place, PlanError

LOCK = "desk.lock"
#: Everything a desk keeps in its home. Reset removes these alone: BIFROST_HOME may name a folder with other things.
KEPT = ("simulator", "spool", "logs", "secrets", LOCK)
CLUSTER = "postgres"


class AlreadyRunning(PlanError):
    """Another launcher holds this home."""


@contextlib.contextmanager
def home_lock(home: Path, wait_s: float = 0.0) -> Iterator[IO[str]]:
    """Hold ``home``: two desks on one would share a database and a simulated account.

    The supervisor inherits the lock, so that a new desk waits (up to ``wait_s``) until what a killed launcher
    has left behind is down.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{home} cannot hold the desk's state ({error.strerror}): set BIFROST_HOME") from None
    with file:
        _take(file, home, wait_s)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield file
        finally:
            file.truncate(0)


def _take(file: IO[str], home: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            pid = _pid_in(file)
            if pid is not None and psutil.pid_exists(pid):
                raise AlreadyRunning(f"a desk runs on {home} already (pid {pid}): stop it first") from None
            if time.monotonic() >= deadline:
                raise AlreadyRunning(f"what another desk left on {home} is still going down: try again") from None
            time.sleep(0.1)


def _pid_in(file: IO[str]) -> int | None:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdecimal() else None


def running_pid(home: Path) -> int | None:
    """The launcher that holds ``home``; None when there is none."""
    try:
        with (home / LOCK).open("r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return _pid_in(file)
    except OSError:
        pass
    return None


def token(place: Place) -> str:
    """The operator's token: given by the environment, else kept in the secrets."""
    given = place.env.get("BIFROST_TOKEN", "").strip()
    if given:
        return given
    named = place.env.get("BIFROST_TOKEN_FILE", "").strip()
    if named:
        try:
            return Path(named).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise PlanError(f"BIFROST_TOKEN_FILE={named} cannot be read: {error.strerror}") from None
    return ensure_secret(place.secrets, "token")[0]


def homes_below(root: Path) -> list[Path]:
    """Every home that a desk has made below ``root``."""
    return sorted({lock.parent for lock in root.rglob(LOCK) if CLUSTER not in lock.relative_to(root).parts})


def remove(home: Path) -> None:
    """Remove what a desk keeps in ``home``, wherever its database lies.

    Raises
    ------
    AlreadyRunning
        When a desk runs on it.
    """
    with home_lock(home):
        cluster = home / CLUSTER
        gone = [moved_dir(cluster), cluster, cluster.with_name(f"{CLUSTER}.new"), moved_note(cluster)]
        for path in (*gone, *(home / name for name in KEPT)):
            if path is None:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for folder in (home, *home.parents[:2]):
        # Only what is empty now and ours: .bifrost, .bifrost/scenarios, .bifrost/scenarios/<name>.
        if ".bifrost" in folder.parts:
            with contextlib.suppress(OSError):
                folder.rmdir()
