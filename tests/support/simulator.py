"""The real simulator as a process of its own: ports, faults, state and journal over its admin API."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bifrost import paths

from tests.support.waiting import free_port, wait_until


class SimulatorProcess:
    """``with SimulatorProcess(home) as simulator``: started, answering, and ended at the end.

    Its state lies under ``home``, so a second `start` continues where the first was killed.
    """

    def __init__(self, home: Path, scenario: Path | None = None) -> None:
        self.home = home
        self.scenario = scenario or paths.repository_root() / "config" / "scenarios" / "default.yaml"
        self.port = free_port()
        self.admin_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The admin API."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """What a service needs to live in this world."""
        return {
            "IB_HOST": "127.0.0.1",
            "IB_PORT": str(self.port),
            "BIFROST_SCENARIO": str(self.scenario),
            "BIFROST_CLOCK__URL": self.url,
        }

    def start(self) -> None:
        """Start, and return when gateway and admin API answer."""
        env = {
            "PATH": os.environ["PATH"],
            "BIFROST_HOME": str(self.home),
            "BIFROST_LOG_DIR": str(self.home / "logs"),
            "SIM_PORT": str(self.port),
            "SIM_ADMIN_PORT": str(self.admin_port),
        }
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "bifrost_simulator", "run", "--scenario", str(self.scenario)]
        self._process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        wait_until(self._answers, 60.0, what="the simulator's admin API")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the simulator ended with {self._process.returncode}"
        with contextlib.suppress(OSError):
            return bool(self.get("/clock"))
        return False

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, **body: object) -> Any:
        """The JSON answer of a POST."""
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}))

    def _ask(self, request: urllib.request.Request) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, name: str, **parameters: object) -> None:
        """Inject a fault."""
        self.post(f"/faults/{name}", **parameters)

    def kill(self) -> None:
        """SIGKILL: what a machine that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> SimulatorProcess:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
