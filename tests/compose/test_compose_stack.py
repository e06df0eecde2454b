"""The desk in containers: images built, stack up and healthy, hedging, a killed engine recovered, a stop that stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from bifrost import paths

from tests.support import desk_checks as checks
from tests.support.desk_checks import DeskView
from tests.support.waiting import free_port, wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

ROOT = paths.repository_root()
COMPOSE = ROOT / "tools" / "desk" / "compose"
SERVICES = ("postgres", "simulator", "engine", "pricer", "monitor", "backtest")


class Stack:
    """One project of its own on free ports."""

    def __init__(self) -> None:
        ports = ("MONITOR_PORT", "SIM_PORT", "SIM_ADMIN_PORT", "BIFROST_PG_PORT")
        self.project = f"bifrost-test-{os.getpid()}"
        self.env = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        self.env |= {name: str(free_port()) for name in ports} | {"COMPOSE_PROJECT_NAME": self.project, "YES": "1"}

    def make(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """One make target, as the operator types it."""
        return self._run(["make", "-s", *words], timeout_s)

    def compose(self, *words: str, timeout_s: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
        """Compose, or one of the wrapper's own words."""
        return self._run([str(COMPOSE), *words], timeout_s, **variables)

    def _run(self, command: list[str], timeout_s: float, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.env | variables, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def docker(self, *words: str) -> str:
        """Output of one docker command."""
        done = self._run(["docker", *words], 60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def container(self, service: str) -> str:
        """The id of a service's container, also of one that has ended."""
        mark = f"label=com.docker.compose.project={self.project}"
        return self.docker("ps", "-aq", "--filter", mark, "--filter", f"label=com.docker.compose.service={service}")

    def state(self, service: str) -> dict[str, object]:
        """Docker's word on a service: State, with RestartCount."""
        (seen,) = json.loads(self.docker("inspect", self.container(service)))
        return dict(seen["State"]) | {"RestartCount": seen["RestartCount"]}

    def healthy(self, service: str) -> bool:
        health = self.state(service).get("Health")
        return isinstance(health, dict) and health["Status"] == "healthy"

    def view(self) -> DeskView:
        """Where to look at it."""

        def secret(service: str, name: str) -> str:
            return self.docker("exec", self.container(service), "cat", f"/run/bifrost/secrets/{name}")

        return DeskView(
            address=f"http://127.0.0.1:{self.env['MONITOR_PORT']}",
            admin=f"http://127.0.0.1:{self.env['SIM_ADMIN_PORT']}",
            dsn=f"host=127.0.0.1 port={self.env['BIFROST_PG_PORT']} dbname=options_db user=bifrost_owner "
            f"password={secret('postgres', 'bifrost_owner')}",
            token=secret("monitor", "token"),
        )


def engine_answers() -> bool:
    """Whether a Docker engine is there."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Images built and the stack brought up once, by `make up`."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    made = Stack()
    try:
        up = made.make("up", timeout_s=800)
        assert up.returncode == 0, up.stdout[-3000:] + up.stderr[-3000:]
        token = made.view().token
        assert f"http://127.0.0.1:{made.env['MONITOR_PORT']}/?token={token}" in up.stdout
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "20")


@pytest.fixture(scope="module")
def desk(stack: Stack) -> DeskView:
    """The stack, every container healthy."""
    for service in SERVICES:
        wait_until(lambda name=service: stack.healthy(name), 120, what=f"a healthy {service}", every_s=0.5)
    return stack.view()


def test_it_hedges_in_containers_as_it_does_by_make_run(stack: Stack, desk: DeskView) -> None:
    """Rows, a flat book, prices, a green lamp, and one order on the wire for each that was told."""
    checks.check_a_hedging_desk(desk, 90)
    assert [name for name in ("secrets", "migrate") if stack.state(name)["ExitCode"] != 0] == []


def test_each_container_has_its_own_secrets_and_no_others(stack: Stack, desk: DeskView) -> None:
    """Least privilege: an engine that leaks its files leaks neither the owner's password nor the token."""
    for service, expected in (
        ("engine", {"bifrost_engine"}),
        ("backtest", {"bifrost_engine"}),
        ("pricer", {"bifrost_pricer"}),
        ("monitor", {"bifrost_monitor", "token"}),
        ("postgres", {"bifrost_owner"}),
    ):
        listed = stack.docker("exec", stack.container(service), "ls", "/run/bifrost/secrets")
        assert set(listed.split()) == expected, service


def test_what_is_published_is_published_on_loopback_only(stack: Stack, desk: DeskView) -> None:
    for service in SERVICES:
        (seen,) = json.loads(stack.docker("inspect", stack.container(service)))
        for bindings in (seen["HostConfig"]["PortBindings"] or {}).values():
            assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"], service


def test_make_logs_token_and_ps_find_the_containers(stack: Stack, desk: DeskView) -> None:
    """The same targets as for local processes."""
    assert stack.make("token").stdout.strip().endswith(f"/?token={desk.token}")
    assert "engine" in stack.make("ps").stdout
    shown = stack.compose("log", "engine", FOLLOW="no", LINES_SHOWN="200")
    assert shown.returncode == 0, shown.stderr
    assert "placed" in shown.stdout and '"message"' not in shown.stdout
    assert stack.compose("log", "../secrets").returncode == 2


def test_make_logs_follows(stack: Stack, desk: DeskView) -> None:
    """`make logs S=engine` shows what is written after it was typed."""
    tail = subprocess.Popen(
        ["make", "-s", "logs", "S=monitor"], cwd=ROOT, env=stack.env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert tail.stdout is not None
        first = tail.stdout.readline()
        assert first.strip()
        desk.command("refresh_accounts")
        wait_until(lambda: "refresh_accounts" in tail.stdout.readline(), 30, what="a new line", every_s=0.0)  # type: ignore[union-attr]
    finally:
        tail.kill()
        tail.wait()


def test_a_killed_engine_recovers_and_a_stopped_one_stays_down(stack: Stack, desk: DeskView) -> None:
    """SIGKILL to the process (not `docker kill`, which counts as a manual stop), then POST stop, then up again."""
    before = checks.wait_for_a_hedge(desk)["fill"]
    init = psutil.Process(int(str(stack.state("engine")["Pid"])))
    (engine,) = init.children()
    engine.kill()
    wait_until(lambda: stack.state("engine")["RestartCount"] == 1, 60, what="the restart", every_s=0.3)
    wait_until(lambda: stack.healthy("engine"), 60, what="a healthy engine", every_s=0.5)
    checks.wait_for_lamp(desk, "green", 90)
    checks.wait_for_a_hedge(desk, 120, more_than=before)
    checks.wait_until_ledger_is_broker(desk)
    checks.check_the_wire(desk)

    assert desk.command("stop")["status"] == "done"
    wait_until(lambda: stack.state("engine")["Status"] == "exited", 30, what="the engine's end", every_s=0.3)
    ended = stack.state("engine")
    assert ended["ExitCode"] == 0
    checks.wait_for_lamp(desk, "red", 30)
    for service in ("simulator", "pricer", "monitor", "postgres"):
        assert stack.state(service)["Status"] == "running"
    again = stack.state("engine")
    assert (again["Status"], again["StartedAt"]) == ("exited", ended["StartedAt"]), "a stopped engine was restarted"

    assert stack.compose("up", "-d").returncode == 0
    checks.wait_for_lamp(desk, "green", 90)


def test_on_a_real_gateway_nothing_needs_the_simulator(tmp_path: Path) -> None:
    """`make up TWS=host:port`: the files are valid together and the address reaches the services."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    env = {"PATH": os.environ["PATH"], "TWS": "192.0.2.7:7496", "HOME": str(tmp_path)}
    shown = subprocess.run([str(COMPOSE), "config"], env=env, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "192.0.2.7" in shown.stdout and "host.docker.internal" in shown.stdout
    services = subprocess.run(
        [str(COMPOSE), "config", "--services"], env=env, capture_output=True, text=True, check=False
    )
    assert "engine" in services.stdout.split()
