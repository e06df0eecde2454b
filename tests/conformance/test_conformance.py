"""Unmodified ib_insync, ib_async and ibapi through every supported request against one simulator process.

Each library runs in its own environment and process; every check it reports is a test here, and the simulator's
journal says afterwards that no request was left out.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bifrost_simulator.wire.messages import REQUESTS, RESPONSES

from tests.conformance.environments import ROOT, environment, python_of
from tests.conformance.suite import NAMES
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration

SCENARIO = Path(__file__).with_name("scenario.yaml")
ACCOUNT, OTHER_ACCOUNT = "DU1234567", "DU7654321"
#: Library and the server version it is held to; None is the highest that it offers by itself.
RUNS: tuple[tuple[str, int | None], ...] = (
    ("ib_insync", 157),
    ("ib_insync", None),
    ("ib_async", 157),
    ("ib_async", 176),
    ("ib_async", None),
    ("ibapi", None),
)
NEWEST = {"ib_insync": 176, "ib_async": 178, "ibapi": 157}
SUITE_LIMIT_S = 240


@dataclass
class Outcome:
    """What one library reported and what the journal has of its sockets."""

    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    journal: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""

    def messages(self, direction: str) -> set[str]:
        return {entry["message"] for entry in self.journal if entry["direction"] == direction}


class Conformance:
    """One simulator; each run happens once, when its first test asks."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self._simulator = simulator
        self._outcomes: dict[tuple[str, int | None], Outcome] = {}

    def outcome(self, library: str, newest: int | None) -> Outcome:
        run = (library, newest)
        if run not in self._outcomes:
            python = python_of(library)
            self._outcomes[run] = self._run(python, library, newest, 11 + RUNS.index(run))
        return self._outcomes[run]

    def _run(self, python: Path, library: str, newest: int | None, client_id: int) -> Outcome:
        before = self._simulator.get("/journal?limit=1")["last_seq"]
        command = [str(python), "-m", "tests.conformance.suite", "--library", library]
        command += ["--newest", str(newest)] if newest is not None else []
        command += ["--port", str(self._simulator.port), "--client-id", str(client_id)]
        command += ["--account", ACCOUNT, "--other-account", OTHER_ACCOUNT]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SUITE_LIMIT_S
            )
            output, errors = done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            output, errors = _text(late.stdout), f"not ended after {SUITE_LIMIT_S} s\n{_text(late.stderr)}"
        outcome = Outcome(output=f"{output[-2000:]}\n{errors[-2000:]}")
        for line in output.splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                outcome.checks[row["check"]] = row
        found = self._simulator.get(f"/journal?since={before}&limit=100000&ticks=true")["entries"]
        outcome.journal = [entry for entry in found if entry["client_id"] in (client_id, None)]
        return outcome


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


@pytest.fixture(scope="module")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conformance]:
    with SimulatorProcess(tmp_path_factory.mktemp("conformance"), SCENARIO) as simulator:
        yield Conformance(simulator)


runs = pytest.mark.parametrize(
    ("library", "newest"), RUNS, ids=[f"{library}-{newest or NEWEST[library]}" for library, newest in RUNS]
)


@runs
@pytest.mark.parametrize("check", NAMES)
def test_check(conformance: Conformance, library: str, newest: int | None, check: str) -> None:
    outcome = conformance.outcome(library, newest)
    assert check in outcome.checks, f"{check} was not reported; the suite said:\n{outcome.output}"
    assert outcome.checks[check]["ok"], outcome.checks[check]["detail"]


@runs
def test_the_version_is_the_one_meant(conformance: Conformance, library: str, newest: int | None) -> None:
    (*_, shaken) = [
        entry["fields"]
        for entry in conformance.outcome(library, newest).journal
        if entry["message"] == "handshake" and entry["direction"] == "out"
    ]
    assert shaken["serverVersion"] == (newest or NEWEST[library])


@runs
def test_no_request_was_left_out(conformance: Conformance, library: str, newest: int | None) -> None:
    sent = conformance.outcome(library, newest).messages("in")
    assert {spec.name for spec in REQUESTS} - sent == set()


@runs
def test_every_answer_was_sent(conformance: Conformance, library: str, newest: int | None) -> None:
    sent = conformance.outcome(library, newest).messages("out")
    assert {spec.name for spec in RESPONSES} - sent == set()


@runs
def test_nothing_was_unreadable_or_unknown(conformance: Conformance, library: str, newest: int | None) -> None:
    journal = conformance.outcome(library, newest).journal
    assert [entry for entry in journal if entry["message"] == "unsupported" or "unreadable" in entry["fields"]] == []
