"""What a run consists of: scenario, folders, ports, and the environment of each process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bifrost import paths
from bifrost.config import ConfigError, load_config, load_scenario

from .ports import PortPlan
from .ports import plan as plan_ports

DATABASE = "options_db"
OWNER = "bifrost_owner"
#: Inherited variables that would point a service at somebody's real database or gateway.
FOREIGN_PREFIXES = ("PG", "IB_")


class PlanError(Exception):
    """The desk cannot be started as asked; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the desk. Lower ``order`` starts earlier and stops later."""

    name: str
    module: str
    role: str
    order: int


SERVICES = (
    Service("simulator", "bifrost_simulator", "", 20),
    Service("engine", "bifrost_engine", "bifrost_engine", 30),
    Service("pricer", "bifrost_pricer", "bifrost_pricer", 40),
    Service("monitor", "bifrost_monitor", "bifrost_monitor", 50),
)


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """One run of the desk on one scenario."""

    scenario: Path
    home: Path
    config: Path
    ports: Mapping[str, PortPlan]
    base_env: Mapping[str, str]
    ignored: tuple[str, ...]
    without: frozenset[str]

    @property
    def secrets(self) -> Path:
        return paths.secrets_dir(self.base_env)

    @property
    def logs(self) -> Path:
        return paths.log_dir(self.base_env)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['MONITOR_PORT'].port}"

    @property
    def services(self) -> tuple[Service, ...]:
        return tuple(service for service in SERVICES if service.name not in self.without)

    def env_of(self, service: Service) -> dict[str, str]:
        """The whole environment of ``service``: its own role and password file, nothing inherited that points away."""
        env = dict(self.base_env)
        if service.role:
            env |= {
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.ports["BIFROST_PG_PORT"].port),
                "PGDATABASE": DATABASE,
                "PGUSER": service.role,
                "PGPASSWORD_FILE": str(self.secrets / service.role),
            }
        return env


def make_plan(
    scenario: Path | None, env: Mapping[str, str] | None = None, without: frozenset[str] = frozenset()
) -> DeskPlan:
    """Work out a run.

    Raises
    ------
    PlanError
        When scenario, configuration or ports cannot be used.
    """
    inherited = dict(os.environ if env is None else env)
    file = _scenario_file(scenario, inherited)
    ignored = tuple(sorted(name for name in inherited if name.startswith(FOREIGN_PREFIXES)))
    base = {name: value for name, value in inherited.items() if name not in ignored}
    base["BIFROST_SCENARIO"] = str(file)
    home = paths.home(base)
    config = Path(base.get("BIFROST_CONFIG") or paths.default_config_file()).absolute()
    base |= {
        "BIFROST_HOME": str(home),
        "BIFROST_CONFIG": str(config),
        "BIFROST_DATA": str(paths.data_dir(base)),
        "BIFROST_LOG_DIR": str(paths.log_dir(base)),
        "BIFROST_SECRETS": str(paths.secrets_dir(base)),
        "PYTHONUNBUFFERED": "1",
    }
    ports = plan_ports(base)
    base |= {variable: str(entry.port) for variable, entry in ports.items()}
    try:
        scenario_read = load_scenario(file)
        if scenario_read.data is not None:
            scenario_read.data_folder(base)
        load_config(config, env=base, scenario=file)
    except ConfigError as error:
        raise PlanError(str(error)) from None
    return DeskPlan(file, home, config, ports, base, ignored, without)


def _scenario_file(scenario: Path | None, env: Mapping[str, str]) -> Path:
    named = scenario or (Path(env["BIFROST_SCENARIO"]) if env.get("BIFROST_SCENARIO") else None)
    root = paths.repository_root() / "config" / "scenarios"
    if named is None:
        return root / "default.yaml"
    for candidate in (named, root / named.name, root / f"{named.name}.yaml"):
        if candidate.is_file():
            return candidate.absolute()
    known = ", ".join(sorted(path.stem for path in root.glob("*.yaml")))
    raise PlanError(f"scenario {named} is not a file; config/scenarios has: {known}")


def service_command(service: Service, plan: DeskPlan) -> list[str]:
    """The command line of one service (contracts.md, "run one service")."""
    return [sys.executable, "-m", service.module, "run", "--config", str(plan.config)]
