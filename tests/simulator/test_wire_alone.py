"""The gateway alone: the scenario of ``make gateway`` and the example at the top of docs/simulator.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bifrost import paths

from tests.simulator.wire_ib import LIBRARY
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration

ROOT = paths.repository_root()
SCENARIO = ROOT / "config" / "scenarios" / "gateway.yaml"


def test_make_starts_the_simulator_alone() -> None:
    """What ``make gateway`` runs is the simulator with the scenario that the example trades in, and nothing else."""
    command = ["make", "-n", "gateway", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    ran = [line for line in done.stdout.splitlines() if " -m " in line]
    assert len(ran) == 1
    assert ran[0].endswith("-m bifrost_simulator run --scenario config/scenarios/gateway.yaml")


def test_the_example_of_the_manual_works(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulator.md").read_text(), re.DOTALL)
    assert len(example.strip().splitlines()) <= 12 and "4002" in example
    with SimulatorProcess(tmp_path, SCENARIO) as simulator:
        program = example.replace("4002", str(simulator.port)).replace("ib_insync", LIBRARY)
        env = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
        (account,) = simulator.get("/state")["accounts"]
    assert done.returncode == 0, done.stderr
    bid, ask, status, price = done.stdout.split()
    assert status == "Filled" and abs(float(price) - (float(bid) + float(ask)) / 2) < 5
    assert [position["quantity"] for position in account["positions"]] == [100]
