"""The PostgreSQL of our own: reachable only here, safe by default, and it says why when it does not start."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from bifrost.db.ephemeral import EphemeralPostgres, PostgresStartError
from bifrost.db.system_user import server_user

from tests.support.waiting import free_port, wait_until


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder every user can enter (pytest's own is 0700)."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-pg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _setting(server: EphemeralPostgres, name: str) -> str:
    with contextlib.closing(psycopg2.connect(server.dsn())) as conn, conn.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def test_it_is_durable_private_and_asks_for_a_password(private_server: EphemeralPostgres) -> None:
    server = private_server
    assert _setting(server, "fsync") == "on" and _setting(server, "synchronous_commit") == "on"
    assert _setting(server, "data_checksums") == "on"
    assert _setting(server, "listen_addresses") == "127.0.0.1" and _setting(server, "unix_socket_directories") == ""
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(server.dsn(password="guess"))
    if server.system_user is not None:
        assert server.data_dir.stat().st_uid == server.system_user.uid != 0


def test_data_and_password_survive_a_crash_and_a_restart(private_server: EphemeralPostgres) -> None:
    with contextlib.closing(psycopg2.connect(private_server.dsn())) as conn, conn, conn.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    password = private_server.password
    private_server.kill()
    assert not private_server.running
    private_server.start()
    assert private_server.password == password
    with contextlib.closing(psycopg2.connect(private_server.dsn())) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT answer FROM kept")
        assert cursor.fetchone() == (42,)
    assert private_server.initialise() is False


def test_a_taken_port_is_named_with_the_servers_reason(open_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = EphemeralPostgres(open_folder / "data", port, open_folder / "password", fsync=False)
        with pytest.raises(PostgresStartError, match=rf"port {port}.*[Aa]ddress already in use"):
            server.start()
        assert not server.running
    server.remove()


def test_a_folder_with_other_things_in_it_is_not_overwritten(open_folder: Path) -> None:
    (open_folder / "data").mkdir()
    (open_folder / "data" / "thesis.txt").write_text("irreplaceable")
    server = EphemeralPostgres(open_folder / "data", free_port(), open_folder / "password")
    with pytest.raises(PostgresStartError, match="not empty"):
        server.start()
    assert (open_folder / "data" / "thesis.txt").read_text() == "irreplaceable"
    assert (open_folder / "data").stat().st_uid == os.geteuid(), "the folder changed its owner"


def test_a_lost_password_file_is_said_at_once(private_server: EphemeralPostgres) -> None:
    private_server.stop()
    kept = private_server.password
    private_server.password_file.unlink()
    private_server.password_file.write_text("another\n")
    with pytest.raises(PostgresStartError, match=str(private_server.password_file)):
        private_server.start()
    private_server.password_file.write_text(kept)
    private_server.start()


def test_a_server_left_by_a_killed_parent_is_found_and_stopped(private_server: EphemeralPostgres) -> None:
    other = EphemeralPostgres(private_server.data_dir, private_server.port, private_server.password_file)
    assert private_server.leftover_pid() is None
    assert other.leftover_pid() == private_server.pid
    with pytest.raises(PostgresStartError, match="already"):
        other.start()
    reaper = threading.Thread(target=lambda: private_server._process and private_server._process.wait(30))
    reaper.start()
    assert other.stop_leftover() is True
    reaper.join(30)
    assert other.stop_leftover() is False
    other.start()
    other.stop()


@pytest.mark.skipif(server_user() is None, reason="only root runs the server as somebody else")
def test_root_in_an_unreachable_folder_puts_the_data_where_the_server_can_reach_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EphemeralPostgres(closed / "data", free_port(), closed / "password", fsync=False)
    try:
        assert server.data_dir != closed / "data" and not (closed / "data").exists()
        (note,) = server.notes
        assert str(closed / "data") in note and str(server.data_dir) in note
        assert EphemeralPostgres(closed / "data", server.port, closed / "password").data_dir == server.data_dir
        server.start()
        assert _setting(server, "port") == str(server.port)
    finally:
        server.remove()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_killed_parent_leaves_no_server_behind(open_folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom bifrost.db.ephemeral import EphemeralPostgres\n"
        f"folder, port = Path({str(open_folder)!r}), {free_port()}\n"
        "server = EphemeralPostgres(folder / 'data', port, folder / 'pw', fsync=False, stop_with_parent=True)\n"
        "server.start()\nprint(server.pid, flush=True)\nsys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    parent.kill()
    parent.communicate()

    def gone() -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    wait_until(gone, 20, what="the end of the server")
