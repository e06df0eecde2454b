"""What a run consists of: scenario, folders, ports, and the environment of each process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bifrost import paths
from bifrost.config import Config, ConfigError, load_config, load_scenario

from .ports import PortPlan, one_each, port_of

DATABASE = "options_db"
OWNER = "bifrost_owner"
#: Inherited variables that would point a service at somebody's real database or gateway.
FOREIGN_PREFIXES = ("PG", "IB_")
PG_PORT = 54320
TWS_HOME = "tws"


class PlanError(Exception):
    """The desk cannot be started as asked; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the desk. Lower ``order`` stops later; services with a ``role`` need the database."""

    name: str
    module: str
    role: str
    order: int
    command: str = "run"


SERVICES = (
    Service("simulator", "bifrost_simulator", "", 20),
    Service("engine", "bifrost_engine", "bifrost_engine", 30),
    Service("pricer", "bifrost_pricer", "bifrost_pricer", 40),
    Service("monitor", "bifrost_monitor", "bifrost_monitor", 50),
    # What the page launches on recorded data; it works with the engine's rights and keeps out of its way.
    Service("backtest", "bifrost_engine", "bifrost_engine", 45, "backtests"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whose state: the scenario (None: a real TWS), its home, and an environment without strangers' addresses."""

    scenario: Path | None
    home: Path
    env: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.scenario.stem if self.scenario is not None else TWS_HOME

    @property
    def secrets(self) -> Path:
        return paths.secrets_dir(self.env)

    @property
    def logs(self) -> Path:
        return paths.log_dir(self.env)


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """One run of the desk at one place."""

    place: Place
    config_file: Path
    config: Config
    ports: tuple[PortPlan, ...]
    pg_port: int
    without: frozenset[str]

    @property
    def address(self) -> str:
        """Where this machine's browser finds the page."""
        host = self.config.monitor.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.config.monitor.port}"

    @property
    def simulator_address(self) -> str:
        """The simulator's admin API."""
        return f"http://127.0.0.1:{self.config.simulator.admin_port}"

    @property
    def services(self) -> tuple[Service, ...]:
        return tuple(service for service in SERVICES if service.name not in self.without)

    def env_of(self, service: Service) -> dict[str, str]:
        """What ``service`` gets on top of the place's environment: its own role and password file, nothing more."""
        if not service.role:
            return {}
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.pg_port),
            "PGDATABASE": DATABASE,
            "PGUSER": service.role,
            "PGPASSWORD_FILE": str(self.place.secrets / service.role),
        }

    def command_of(self, service: Service) -> list[str]:
        """The command line of one service (contracts.md, "run one service")."""
        return [sys.executable, "-m", service.module, service.command, "--config", str(self.config_file)]


def locate(scenario: str = "", *, tws: str = "", env: Mapping[str, str] | None = None) -> Place:
    """Find the home of a scenario, or of the desk on a real TWS.

    Parameters
    ----------
    scenario : str
        A file, or the name of one in config/scenarios; else ``BIFROST_SCENARIO``, else the default one.
    tws : str
        ``host:port`` of a TWS or IB Gateway to connect to instead of the simulator.

    Raises
    ------
    PlanError
        When there is no such scenario or the address is none.
    """
    inherited = dict(os.environ if env is None else env)
    ignored = tuple(sorted(name for name in inherited if name.startswith(FOREIGN_PREFIXES)))
    kept = {name: value for name, value in inherited.items() if name not in ignored}
    file: Path | None = None
    if tws:
        kept.pop("BIFROST_SCENARIO", None)
        kept |= _gateway(tws)
        # A real account's records must not share a database with the simulated one's.
        kept.setdefault("BIFROST_HOME", str(paths.repository_root() / ".bifrost" / TWS_HOME))
    else:
        file = _scenario_file(scenario or kept.get("BIFROST_SCENARIO", ""))
        kept["BIFROST_SCENARIO"] = str(file)
    home = paths.home(kept)
    kept |= {
        "BIFROST_HOME": str(home),
        "BIFROST_DATA": str(paths.data_dir(kept)),
        "BIFROST_LOG_DIR": str(paths.log_dir(kept)),
        "BIFROST_SECRETS": str(paths.secrets_dir(kept)),
        "PYTHONUNBUFFERED": "1",
    }
    return Place(file, home, kept, ignored)


def make_plan(place: Place, without: frozenset[str] = frozenset()) -> DeskPlan:
    """Judge configuration, scenario, recorded data and ports.

    Raises
    ------
    PlanError, PortError
        Naming what cannot be used.
    """
    env = place.env
    config_file = Path(env.get("BIFROST_CONFIG") or paths.default_config_file()).expanduser().absolute()
    try:
        if place.scenario is not None:
            scenario = load_scenario(place.scenario)
            if scenario.data is not None:
                scenario.data_folder(env)
        config = load_config(config_file, env=env, scenario=place.scenario).config
    except ConfigError as error:
        raise PlanError(str(error)) from None
    if place.scenario is None:
        without |= {"simulator"}
    pg_port = port_of("BIFROST_PG_PORT", env.get("BIFROST_PG_PORT", ""), PG_PORT)
    return DeskPlan(place, config_file, config, _ports(config, pg_port, without), pg_port, without)


def _ports(config: Config, pg_port: int, without: frozenset[str]) -> tuple[PortPlan, ...]:
    wanted = [
        PortPlan("the page and its API", "MONITOR_PORT", config.monitor.host, config.monitor.port),
        PortPlan("PostgreSQL", "BIFROST_PG_PORT", "127.0.0.1", pg_port),
    ]
    if "simulator" not in without:
        host = config.simulator.host
        wanted.append(PortPlan("the simulated IB Gateway", "SIM_PORT", host, config.simulator.port))
        wanted.append(PortPlan("the simulator's admin API", "SIM_ADMIN_PORT", host, config.simulator.admin_port))
    if "pricer" not in without and config.pricer.metrics_port:
        variable = "BIFROST_PRICER__METRICS_PORT"
        wanted.append(
            PortPlan("the pricer's metrics", variable, config.pricer.metrics_host, config.pricer.metrics_port)
        )
    return one_each(wanted)


def _scenario_file(named: str) -> Path:
    root = paths.repository_root() / "config" / "scenarios"
    if not named:
        return root / "default.yaml"
    path = Path(named).expanduser()
    for candidate in (path, root / path.name, root / f"{path.name}.yaml"):
        if candidate.is_file():
            return candidate.absolute()
    known = ", ".join(sorted(path.stem for path in root.glob("*.yaml")))
    raise PlanError(f"scenario {named} is not a file; config/scenarios has: {known}")


def _gateway(address: str) -> dict[str, str]:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise PlanError(f"{address} is not an address: write host:port of TWS or IB Gateway, as 127.0.0.1:7497")
    return {"IB_HOST": host.strip("[]"), "IB_PORT": port}
