"""The launcher as a process in a terminal: what it starts, how it ends, and what it says when it cannot."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest

from tests.support import desk_checks as checks
from tests.support.desk_process import DeskProcess, desk_environment, run_desk
from tests.support.waiting import free_port, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the database's own user can reach: pytest's own folders are private."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-home-"))
    folder.chmod(0o755)
    yield folder / "a desk's home"  # a blank and a quote: no layer may trip over them
    shutil.rmtree(folder, ignore_errors=True)


def test_up_continue_and_down(home: Path) -> None:
    """First start, Ctrl-C, a second start in seconds that continues, a service that fails, SIGTERM."""
    with DeskProcess(home, PGHOST="elsewhere.example", IB_PORT="7496") as desk:
        view = desk.wait_until_up()
        assert "ignored from your environment: IB_PORT, PGHOST" in desk.output
        assert httpx.get(f"{view.address}/?token={view.token}").status_code in (302, 303, 307)
        checks.wait_for_a_hedge(view)
        engine = desk.service("engine")
        assert engine.environ()["PGUSER"] == "bifrost_engine" and "IB_PORT" not in engine.environ()
        assert desk.ctrl_c() == 0, desk.output
        desk.wait_until_nothing_runs()
    assert desk.stored("SELECT graceful_shutdown_at IS NOT NULL FROM daemon_heartbeat") is True

    desk = DeskProcess(home, "--without", "pricer")
    with desk:
        view = desk.wait_until_up()
        assert "new database" not in desk.output
        killed = desk.service("monitor")
        killed.kill()
        desk.wait_for(rf"monitor was restarted \(pid {killed.pid} is gone", 30)
        wait_until(lambda: view.status().get("status_lamp"), 30, what="the monitor's answer")
        with pytest.raises(AssertionError, match="no process of pricer"):
            desk.service("pricer")
        listed = run_desk(desk.env, "ps")
        assert listed.returncode == 0
        listing = [line.split()[0] for line in listed.stdout.splitlines()]
        assert sorted(listing) == ["backtest", "engine", "launcher", "monitor", "postgres", "simulator"]
        refused = run_desk(desk.env | {"MONITOR_PORT": str(free_port())}, "run")
        assert refused.returncode == 1 and "a desk runs on" in refused.stderr and "pid" in refused.stderr
        removal = run_desk(desk.env, "reset", "--yes")
        assert removal.returncode == 1 and "stop it first" in removal.stderr
        desk.signal(signal.SIGTERM)
        assert desk.wait() == 0, desk.output
        desk.wait_until_nothing_runs()
    assert run_desk(desk.env, "ps").returncode == 1
    assert run_desk(desk.env, "token").stdout.strip().endswith(f"/?token={view.token}")
    shown = run_desk(desk.env, "logs", "engine", "--no-follow", "--lines", "5")
    assert shown.returncode == 0 and "stopped: SIGTERM" in shown.stdout


def test_a_killed_launcher_leaves_nothing_behind_and_the_next_one_waits_for_that(home: Path) -> None:
    """kill -9 of the launcher, then of supervisord: the programs come down, and a new start finds a whole database."""
    with DeskProcess(home) as desk:
        desk.wait_until_up()
        desk.signal(signal.SIGKILL)
        desk.wait()
        with DeskProcess(home, **desk.ports) as successor:
            successor.wait_until_up(120)
            supervisor = next(p for p in successor.processes() if "supervisor.supervisord" in " ".join(p.cmdline()))
            supervisor.kill()
            successor.wait_for("supervisord ended")
            assert successor.wait() == 1
            successor.wait_until_nothing_runs()


def test_a_database_that_fails_comes_back(home: Path) -> None:
    """SIGKILL to the server: supervisord starts it again and the desk goes on."""
    with DeskProcess(home, "--without", "pricer") as desk:
        view = desk.wait_until_up()
        checks.wait_for_a_hedge(view)
        postmaster = min(
            (p for p in desk.processes() if "-D" in p.cmdline() and p.name() == "postgres"),
            key=lambda p: p.create_time(),
        )
        postmaster.kill()
        desk.wait_for("postgres was restarted", 60)

        def answers() -> bool:
            try:
                return bool(view.value("SELECT count(*) FROM operations"))
            except psycopg2.OperationalError:
                return False

        wait_until(answers, 60, what="the database", every_s=0.2)
        checks.wait_for_lamp(view, "green", 90)
        assert desk.ctrl_c() == 0


def test_a_port_in_use_is_named_with_its_holder_and_variable(home: Path) -> None:
    """All of them at once, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        held = {"MONITOR_PORT": one.getsockname()[1], "BIFROST_PG_PORT": two.getsockname()[1]}
        refused = run_desk(desk_environment(home, **{name: str(port) for name, port in held.items()}), "run")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    for name, port in held.items():
        (line,) = [line for line in refused.stderr.splitlines() if str(port) in line]
        assert name in line and "pid" in line
    assert not (home / "postgres").exists()


@pytest.mark.parametrize(
    ("variables", "words", "expected"),
    [
        ({}, ("--scenario", "no-such-day"), "config/scenarios has: default"),
        ({"BIFROST_DATA": "/no/such/folder"}, ("--scenario", "twx-2014-06-05"), "BIFROST_DATA"),
        ({"BIFROST_GATES__STATE__DELTA__EPSILON_BAND": "wide"}, (), "epsilon_band"),
        ({"MONITOR_PORT": "99999"}, (), "MONITOR_PORT"),
        ({"BIFROST_PG_PORT": "many"}, (), "BIFROST_PG_PORT=many is not a port"),
        ({"BIFROST_TYPO": "1"}, (), "BIFROST_TYPO"),
        ({}, ("--tws", "somewhere"), "host:port"),
    ],
)
def test_bad_input_is_one_clear_message(
    home: Path, variables: dict[str, str], words: tuple[str, ...], expected: str
) -> None:
    """Nothing is started, nothing is made, and there is no traceback."""
    refused = run_desk(desk_environment(home, **variables), "run", *words)
    assert refused.returncode == 1
    assert expected in refused.stderr and "Traceback" not in refused.stderr
    assert not home.exists()


def test_a_lost_password_is_told_with_the_way_out_and_reset_removes_nothing_else(home: Path) -> None:
    """Reset wants to be confirmed; then the home holds only what was not the desk's."""
    with DeskProcess(home, "--without", "pricer") as desk:
        desk.wait_until_up()
        assert desk.ctrl_c() == 0
    (home / "secrets" / "bifrost_owner").unlink()
    refused = run_desk(desk.env, "run")
    assert refused.returncode == 1 and "make reset" in refused.stderr and "Traceback" not in refused.stderr

    (home / "notes.txt").write_text("mine")
    assert run_desk(desk.env, "reset").returncode == 1
    assert (home / "postgres").exists()
    done = run_desk(desk.env, "reset", "--yes")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in home.iterdir()] == ["notes.txt"]
    assert run_desk(desk.env, "reset", "--yes").stdout.strip() == "nothing to remove"
