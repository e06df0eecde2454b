"""A whole desk for the acceptance tests: every service a process of its own, as the operator has it.

The simulator's market runs thirty times as fast as the wall clock and the engine hedges small needs, so that what takes
minutes on a quiet afternoon happens within seconds. Between engine and gateway, and between engine and database, lies a
relay: the network that a test may cut.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import yaml
from bifrost import paths

from tests.support.acceptance_wire import HoldingRelay
from tests.support.engine import EngineProcess
from tests.support.postgres import Database
from tests.support.simulator import SimulatorProcess
from tests.support.waiting import free_port, wait_until

TOKEN = "token-of-the-acceptance-tests"
STOCK = "NVDA|STK|||"
EPSILON_BAND = 10
RETRY_S = 7
#: Hedge often: the tests need orders, not patience. Everything else is the shipped default scenario.
EAGER = {
    "BIFROST_GATES__INTENT__HEDGE__COOLDOWN_SECONDS": "5",
    "BIFROST_GATES__INTENT__HEDGE__MIN_PRICE_MOVE_PCT": "0",
    "BIFROST_GATES__STATE__DELTA__THRESHOLD_HEDGE_SHARES": "12",
    "BIFROST_GATES__GUARD__RISK__MAX_ORDERS_PER_MINUTE": "600",
    "BIFROST_GATES__GUARD__RISK__MAX_DAILY_LOSS_USD": "100000000",
    "BIFROST_DAEMON__IB_RETRY_INTERVAL_SEC": str(RETRY_S),
    "BIFROST_DAEMON__HEARTBEAT_INTERVAL": "5",
    "BIFROST_DAEMON__RECONCILE_INTERVAL_S": "10",
}


def fast_scenario(folder: Path) -> Path:
    """The shipped scenario at thirty times the wall clock."""
    shipped = paths.repository_root() / "config" / "scenarios" / "default.yaml"
    scenario = yaml.safe_load(shipped.read_text(encoding="utf-8")) | {"speed": 30}
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "acceptance.yaml"
    made.write_text(yaml.safe_dump(scenario), encoding="utf-8")
    return made


class ServiceProcess:
    """One service that is no engine: started, killed and asked to end."""

    def __init__(self, module: str, home: Path, environment: dict[str, str]) -> None:
        self.module = module
        self.home = home
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        env = {"PATH": os.environ["PATH"], "BIFROST_HOME": str(self.home), **self.environment}
        with (self.home / f"{self.module}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, "run"], env=env, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote to the terminal."""
        return (self.home / f"{self.module}.log").read_text(encoding="utf-8")

    def exit_code(self, limit_s: float = 20.0) -> int:
        """Wait for it to end by itself."""
        assert self._process is not None
        return self._process.wait(limit_s)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class Desk:
    """PostgreSQL, simulator, engine, pricer and monitor, and the operator's view of them."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.scenario = fast_scenario(home)
        self.simulator = SimulatorProcess(home / "world", self.scenario)
        self.to_gateway = HoldingRelay(self.simulator.port)
        self.to_database = HoldingRelay(database.server.port)
        world = self.simulator.environment()
        self.environment = world | EAGER | {"PGPORT": str(self.to_database.port), "IB_PORT": str(self.to_gateway.port)}
        self.engine = EngineProcess(database, home / "engine", self.environment)
        self.monitor_port = free_port()
        monitor = database.env("monitor") | {
            "MONITOR_PORT": str(self.monitor_port),
            "BIFROST_TOKEN": TOKEN,
            "BIFROST_LOG_DIR": str(home / "engine" / "logs"),
            "BIFROST_SCENARIO": str(self.scenario),
            "BIFROST_CLOCK__URL": world["BIFROST_CLOCK__URL"],
            "BIFROST_MONITOR__CONTROL_POSTS_PER_MINUTE": "6000",
        }
        self.monitor = ServiceProcess("bifrost_monitor", home / "monitor", monitor)
        pricer = database.env("pricer") | world | {"BIFROST_PRICER__METRICS_PORT": "0"}
        self.pricer = ServiceProcess("bifrost_pricer", home / "pricer", pricer)
        self.by_hand: float = 0
        """Shares that the human at TWS has traded."""

    # -- life

    @contextlib.contextmanager
    def running(self) -> Iterator[Desk]:
        """Up for the length of the block."""
        with self.simulator, self.to_gateway, self.to_database, self.engine:
            self.pricer.start()
            self.monitor.start()
            try:
                self.recover()
                yield self
            finally:
                self.pricer.end()
                self.monitor.end()

    def recover(self) -> None:
        """Bring the desk back to where it hedges, whatever the test before has done to it."""
        for relay in (self.to_gateway, self.to_database):
            relay.mend()
        for fault in self.simulator.get("/faults")["active"]:
            self.clear_fault(fault["name"])
        for service in (self.monitor, self.pricer):
            if not service.running:
                service.start()
        if not self.engine.running:
            self.engine.start()
        self.until(self.answers, "the monitor", 30)
        if self.database.value("SELECT suspended FROM daemon_run_status") or self._holds():
            self.command("resume")
        self.engine.until(self.hedges, "the engine to hedge", 60)

    def _holds(self) -> bool:
        return bool(self.database.value("SELECT hold FROM trading_days ORDER BY trading_day DESC LIMIT 1"))

    def hedges(self) -> bool:
        """Connected, reconciled, nothing in the way."""
        state = self.engine.status()
        return state.get("daemon_state") == "running" and state["status_lamp"] == "green"

    def new_engine(self, name: str, **more: str) -> EngineProcess:
        """Another engine on the same database and gateway, not started."""
        return EngineProcess(self.database, self.home / name, self.environment | more)

    # -- the operator's view

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        return False

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must be answered with 200."""
        answer = httpx.get(self.url + path, params=params, timeout=10, trust_env=False, headers=self.signed)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    @property
    def signed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """A POST with the operator's token."""
        return httpx.post(self.url + path, json=body or {}, timeout=10, trust_env=False, headers=self.signed)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/status")
        return answer

    def operations(self, kind: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        """GET /operations: newest first, at most 1000."""
        rows: list[dict[str, Any]] = self.get(
            "/operations", limit=1000, **filters, **({"type": kind} if kind is not None else {})
        )["operations"]
        return rows

    def ask(self, name: str, **args: Any) -> int:
        """POST a command; gives its id."""
        answer = self.post(f"/control/{name}", args)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def command(self, name: str, limit_s: float = 30.0, **args: Any) -> tuple[str, dict[str, Any]]:
        """POST a command and follow it to its end; gives status and result."""
        return self.followed(self.ask(name, **args), limit_s)

    def followed(self, command_id: int, limit_s: float = 30.0) -> tuple[str, dict[str, Any]]:
        """GET /control/{id} until the command has its end."""
        row = self.until(lambda: self._ended(command_id), f"the end of command {command_id}", limit_s)
        return row["status"], row["result"] or {}

    def _ended(self, command_id: int) -> dict[str, Any] | None:
        row: dict[str, Any] = self.get(f"/control/{command_id}")
        return row if row["status"] not in ("pending", "accepted") else None

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = 30.0) -> Any:
        """Wait for a condition; a failure shows what the operator would have seen."""
        try:
            return wait_until(condition, limit_s, what=what, every_s=0.1)
        except AssertionError as error:
            seen = self.engine.status()
            seen.pop("details", None)
            raise AssertionError(f"{error}\n{seen}\n{self.engine.log[-3000:]}") from None

    # -- what really happened, from the simulator

    def placed(self) -> list[str]:
        """order_ref of every placeOrder of the engine that reached the gateway."""
        entries = self.simulator.get("/journal?message=placeOrder&client_id=1&limit=100000")["entries"]
        return [entry["fields"]["orderRef"] for entry in entries if entry["direction"] == "in"]

    def broker_shares(self) -> float:
        """Shares of the stock in the account."""
        return self.broker_positions().get(STOCK, 0.0)

    def broker_positions(self) -> dict[str, float]:
        account = self.simulator.get("/state")["accounts"][0]
        return {item["contract_key"]: item["quantity"] for item in account["positions"]}

    def open_orders(self) -> list[dict[str, Any]]:
        """Everybody's working orders."""
        orders: list[dict[str, Any]] = self.simulator.get("/state")["open_orders"]
        return orders

    def trade_by_hand(self, side: str, quantity: int, **more: Any) -> dict[str, Any]:
        """What the human does at TWS."""
        order: dict[str, Any] = self.simulator.post("/orders", contract_key=STOCK, side=side, quantity=quantity, **more)
        return order

    def clear_fault(self, name: str) -> None:
        """End a fault of the simulator."""
        httpx.delete(f"{self.simulator.url}/faults/{name}", timeout=10, trust_env=False).raise_for_status()

    # -- what must agree

    def agrees(self) -> bool:
        """Nothing is under way, and the ledger in the database is the broker's position without the human's shares."""
        state = self.engine.status()
        own = self.broker_shares() - self.by_hand
        return (
            state.get("details", {}).get("working_order") is None
            and self.engine.ledger_shares() == own
            and state["stock_position"] == own
        )

    def quiet(self) -> bool:
        """No intent has an open end."""
        open_states = "('intent', 'sent', 'working', 'unknown')"
        count = self.database.value(f"SELECT count(*) FROM order_intents WHERE state IN {open_states}")
        working = [order for order in self.open_orders() if order["client_id"] == 1]
        return count == 0 and not working

    def fills(self) -> int:
        return int(self.database.value("SELECT count(*) FROM operations WHERE type = 'fill'"))

    def hedge_again(self, limit_s: float = 40.0) -> None:
        """Wait for one more fill."""
        before = self.fills()
        self.engine.until(lambda: self.fills() > before, "one more fill", limit_s)

    def nothing_doubled(self) -> None:
        """One placeOrder for an order_ref, each after its intent; one fill row and one execution row for a fill."""
        # The desk goes on meanwhile: what follows from another is read before it.
        sent = [row["order_ref"] for row in self.engine.operations("order_sent")]
        placed = self.placed()
        intents = dict(self.database.query("SELECT order_ref, state FROM order_intents"))
        assert len(sent) == len(set(sent)), f"an order is said to have been sent twice: {sent}"
        lost = {ref: intents[ref] for ref in set(sent) - set(placed)}
        assert set(lost.values()) <= {"never_sent"}, f"said to be sent and never placed: {lost}"
        assert len(placed) == len(set(placed)), f"an order was placed twice: {placed}"
        assert set(placed) <= set(intents)
        self.until(self.fills_are_executions, "a row of operations for each execution, and no other", 10)

    def fills_are_executions(self) -> bool:
        rows = self.database.query(
            "SELECT (SELECT array_agg(exec_id ORDER BY exec_id) FROM operations WHERE type = 'fill'), "
            "(SELECT array_agg(exec_id ORDER BY exec_id) FROM executions WHERE origin = 'own')"
        )
        return bool(rows[0][0] == rows[0][1])

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody can write ``table`` for the length of the block."""
        with contextlib.closing(psycopg2.connect(self.database.dsn())) as holder:
            with holder.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
            yield
            holder.rollback()

    def waits_for(self, table: str) -> int | None:
        """The backend of the engine that waits to write ``table``."""
        pid = self.database.value(
            "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted "
            "AND l.relation = %s::regclass AND a.application_name = 'bifrost-engine' "
            "AND a.datname = current_database()",
            table,
        )
        return None if pid is None else int(pid)


def for_seconds(seconds: float, condition: Callable[[], Any], what: str) -> None:
    """``condition`` must hold all the while: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what
        time.sleep(0.1)
