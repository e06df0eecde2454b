"""The simulator as a process: ports, signals, restart, injection from the command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.world_support import scenario_file
from tests.support.simulator import SimulatorProcess
from tests.support.waiting import free_port

pytestmark = pytest.mark.integration


def _environment(home: Path, **changes: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BIFROST_HOME": str(home), "BIFROST_LOG_DIR": str(home / "logs"), **changes}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bifrost_simulator", *arguments]


@pytest.mark.parametrize(("taken", "free"), [("SIM_PORT", "SIM_ADMIN_PORT"), ("SIM_ADMIN_PORT", "SIM_PORT")])
def test_a_port_in_use_is_named_with_its_variable(tmp_path: Path, taken: str, free: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        env = _environment(tmp_path, **{taken: str(port), free: str(free_port())})
        run = _command("run", "--scenario", str(scenario_file(tmp_path)))
        done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert taken in done.stderr and str(port) in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_well_and_a_restart_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    simulator = SimulatorProcess(tmp_path / "home", scenario_file(tmp_path, speed=100))
    env = _environment(tmp_path / "home", SIM_PORT=str(simulator.port), SIM_ADMIN_PORT=str(simulator.admin_port))
    simulator.start()
    try:
        simulator.post("/orders", contract_key="NVDA|STK|||", side="BUY", quantity=100)
        inject = subprocess.run(
            _command("inject", "quotes_stop", "sec_type=OPT", "duration_s=600"), env=env, capture_output=True, text=True
        )
        assert inject.returncode == 0, inject.stderr
        assert [fault["name"] for fault in simulator.get("/faults")["active"]] == ["quotes_stop"]
        unknown = subprocess.run(_command("inject", "earthquake"), env=env, capture_output=True, text=True)
        assert unknown.returncode == 2 and "ack_lost" in unknown.stderr
        before = simulator.get("/clock")["market"]
        process = simulator._process
        assert process is not None
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        simulator.start()
        state = simulator.get("/state")
        assert state["clock"]["market"] >= before
        held = [position["quantity"] for position in state["accounts"][0]["positions"]]
        working = [order["contract_key"] for order in state["open_orders"]]
        assert held == [100] or working == ["NVDA|STK|||"], "the order filled before the end or works on after it"
    finally:
        process = simulator._process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(timeout=10)


def test_a_state_of_another_scenario_is_refused_in_a_sentence(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path / "home", scenario_file(tmp_path))
    simulator.start()
    process = simulator._process
    assert process is not None
    process.terminate()
    process.wait(timeout=10)
    env = _environment(tmp_path / "home", SIM_PORT=str(free_port()), SIM_ADMIN_PORT=str(free_port()))
    run = _command("run", "--scenario", str(scenario_file(tmp_path, seed=99)))
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "reset" in done.stderr and "Traceback" not in done.stderr


def test_injecting_into_nothing_says_so(tmp_path: Path) -> None:
    env = _environment(tmp_path, SIM_ADMIN_PORT=str(free_port()))
    done = subprocess.run(_command("inject", "disconnect"), env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "SIM_ADMIN_PORT" in done.stderr and "Traceback" not in done.stderr
