"""What a run consists of, worked out without starting anything."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from bifrost import paths
from bifrost_desk.plan import SERVICES, PlanError, locate, make_plan
from bifrost_desk.ports import PortError, PortPlan, check_free, one_each

ROOT = paths.repository_root()


def test_the_default_scenario_lives_in_its_own_home_and_every_other_below_it() -> None:
    assert locate(env={}).home == ROOT / ".bifrost"
    assert locate(env={}).name == "default"
    assert locate("tape", env={}).home == ROOT / ".bifrost" / "scenarios" / "tape"
    by_file = locate("config/scenarios/tape.yaml", env={})
    assert by_file.scenario == ROOT / "config" / "scenarios" / "tape.yaml"
    assert locate(env={"BIFROST_SCENARIO": "tape"}).name == "tape"
    assert locate("tape", env={"BIFROST_HOME": "/elsewhere"}).home == Path("/elsewhere")


def test_strangers_addresses_are_left_out_and_named() -> None:
    place = locate(env={"PGHOST": "db", "PGPASSWORD": "x", "IB_PORT": "7496", "PATH": "/bin", "LANG": "C"})
    assert place.ignored == ("IB_PORT", "PGHOST", "PGPASSWORD")
    assert not [name for name in place.env if name.startswith(("PG", "IB_"))]
    assert place.env["PATH"] == "/bin"


def test_each_service_gets_its_own_login_and_the_simulator_none(tmp_path: Path) -> None:
    plan = make_plan(locate(env={"BIFROST_HOME": str(tmp_path), "BIFROST_PG_PORT": "55555"}))
    logins = {service.name: plan.env_of(service) for service in SERVICES}
    assert logins["simulator"] == {}
    for name in ("engine", "pricer", "monitor"):
        assert logins[name]["PGUSER"] == f"bifrost_{name}"
        assert logins[name]["PGPASSWORD_FILE"] == str(tmp_path / "secrets" / f"bifrost_{name}")
        assert logins[name]["PGPORT"] == "55555"
    assert logins["backtest"]["PGUSER"] == "bifrost_engine"
    backtest = next(service for service in SERVICES if service.name == "backtest")
    assert plan.command_of(backtest)[1:4] == ["-m", "bifrost_engine", "backtests"]
    assert max(SERVICES, key=lambda service: service.order).name == "monitor"


def test_a_real_tws_has_a_home_of_its_own_and_no_simulator() -> None:
    place = locate(tws="192.0.2.7:7497", env={"BIFROST_SCENARIO": "tape", "IB_HOST": "stranger"})
    assert place.home == ROOT / ".bifrost" / "tws" and place.scenario is None
    assert (place.env["IB_HOST"], place.env["IB_PORT"]) == ("192.0.2.7", "7497")
    plan = make_plan(place)
    assert "simulator" not in {service.name for service in plan.services}
    assert plan.config.ib.host == "192.0.2.7" and plan.config.clock.source == "wall"
    assert "SIM_PORT" not in {port.variable for port in plan.ports}


@pytest.mark.parametrize("address", ["tws", ":7497", "host:", "host:0", "host:70000", "host:port"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(PlanError, match="host:port"):
        locate(tws=address, env={})


def test_ports_come_from_the_configuration_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("monitor: {port: 9000}\nsimulator: {port: 9002}\n")
    env = {"BIFROST_CONFIG": str(file), "SIM_PORT": "9102", "BIFROST_PRICER__METRICS_PORT": "0"}
    ports = {port.variable: port.port for port in make_plan(locate(env=env)).ports}
    assert ports == {"MONITOR_PORT": 9000, "BIFROST_PG_PORT": 54320, "SIM_PORT": 9102, "SIM_ADMIN_PORT": 4010}
    assert make_plan(locate(env=env | {"MONITOR_HOST": "0.0.0.0"})).address == "http://127.0.0.1:9000"


def test_two_listeners_on_one_port_are_refused_by_name() -> None:
    with pytest.raises(PortError, match="MONITOR_PORT and SIM_PORT both give port 9000"):
        make_plan(locate(env={"MONITOR_PORT": "9000", "SIM_PORT": "9000"}))
    assert one_each([PortPlan("a", "A", "127.0.0.1", 1), PortPlan("b", "B", "127.0.0.1", 2)])


def test_a_taken_port_names_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            PortError, match=rf"port {port} for the page is taken .*pid {os.getpid()}.*set MONITOR_PORT"
        ):
            check_free([PortPlan("the page", "MONITOR_PORT", "127.0.0.1", port)])
    check_free([PortPlan("the page", "MONITOR_PORT", "127.0.0.1", port)])


def test_an_unknown_scenario_lists_the_known_ones() -> None:
    with pytest.raises(PlanError, match="config/scenarios has: default, gateway, tape, twx-2014-06-05"):
        locate("yesterday", env={})


def test_missing_recorded_data_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="LEAN folder format"):
        make_plan(locate("twx-2014-06-05", env={"BIFROST_DATA": str(tmp_path)}))
