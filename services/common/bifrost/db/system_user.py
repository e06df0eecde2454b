"""Who runs the embedded PostgreSQL when we are root, and where that user can reach its programs and data."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SystemUser:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def server_user() -> SystemUser | None:
    """The account that runs the server when we are root (``postgres``, else ``nobody``); None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return SystemUser("nobody", 65534, 65534)


def can(user: SystemUser, test: str, path: Path) -> bool:
    """Whether ``user`` passes ``test(1)`` on ``path``: ``-x``, ``-w``, ``-r``."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return done.returncode == 0


def reachable_private_dir(folder: Path, user: SystemUser | None, notes: list[str]) -> Path:
    """Make ``folder`` with 0700 for the server; elsewhere, and noted, where its user cannot get there.

    The other place has a random name, kept in a file beside ``folder`` (:func:`moved_note`): the next start finds the
    same data, and another checkout at the same path never meets data whose password it does not have.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "PG_VERSION").is_file():
        # Somebody's files: they are not ours to hand over, and initialise() refuses the folder.
        return folder
    other = moved_dir(folder)
    if other is None:
        make_private_dir(folder, user)
        if user is None or can(user, "-w", folder):
            return folder
        if not any(folder.iterdir()):
            folder.rmdir()
        other = _shared_place() / f"data-{secrets.token_hex(6)}"
        moved_note(folder).write_text(f"{other}\n", encoding="utf-8")
    make_private_dir(other, user)
    runner = user.name if user is not None else "another user"
    notes.append(f"PostgreSQL runs as {runner}, who cannot reach {folder}: its data is in {other}")
    return other


def moved_note(folder: Path) -> Path:
    """The file that says where the data of ``folder`` is instead."""
    return folder.with_name(f"{folder.name}.moved")


def moved_dir(folder: Path) -> Path | None:
    """Where the data of ``folder`` is instead; None when it is in its place."""
    try:
        text = moved_note(folder).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return Path(text) if text else None


def reachable_programs(folder: Path, user: SystemUser | None, notes: list[str]) -> Path:
    """``folder`` when the server's user can run what is in it, else a copy (with its libraries) where it can."""
    if user is None or can(user, "-x", folder / "postgres"):
        return folder
    # The size stands for the version: an environment made anew at the same path may bring another server.
    size = (folder / "postgres").stat().st_size
    other = _shared_place() / f"server-{_fingerprint(f'{folder} {size}')}"
    if not can(user, "-x", other / "bin" / "postgres"):
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(folder.parent, other, symlinks=True)
        for path in (other, *other.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    notes.append(f"PostgreSQL runs as {user.name}, who cannot reach {folder}: its programs are in {other}")
    return other / "bin"


def make_private_dir(folder: Path, user: SystemUser | None) -> None:
    """Make ``folder`` with 0700, owned by the server's user."""
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        os.chown(folder, user.uid, user.gid)
    folder.chmod(0o700)


def _shared_place() -> Path:
    # /var/lib survives a reboot and no cleaner visits it; /var/tmp is the next best where /var/lib is read-only.
    for place in (Path("/var/lib/bifrost"), Path("/var/tmp/bifrost")):
        try:
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o755)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    raise OSError("neither /var/lib nor /var/tmp can hold the database of a desk started as root")


def _fingerprint(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
