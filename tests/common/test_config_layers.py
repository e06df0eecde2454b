"""Layers, precedence, errors that name file, line, key, value and remedy (engine.md section 8)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bifrost import paths
from bifrost.config import Config, ConfigError, IbPortType, IbSettings, WeekWindow, config_from, diff, load_config
from bifrost.config.problems import key_paths
from bifrost.config.yaml_tree import read_yaml

SCENARIO = """\
market: generated
symbol: TWX
start: "2014-06-05 09:30:00"
accounts: [{id: DU1, cash: 1000}]
config:
  ib: {port: 4444}
  gates: {state: {delta: {epsilon_band: 7}}}
"""


def write(folder: Path, text: str, name: str = "c.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def problems_of(**arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(**{"env": {}, **arguments})  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_shipped_file_holds_every_key_at_its_default() -> None:
    file = paths.repository_root() / "config" / "config.yaml"
    loaded = load_config(file, env={})
    assert diff(loaded.config, Config()) == []
    written = set(read_yaml(file).lines)
    assert [path for path in key_paths(Config) if path not in written] == []


def test_each_layer_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path, "ib: {host: filehost, port: 1111}\ngates: {state: {delta: {epsilon_band: 6}}}\n")
    scenario = write(tmp_path, SCENARIO, "world.yaml")
    settings = IbSettings("sethost", IbPortType.GATEWAY)
    assert load_config(file, env={}).ib_source == "file"
    saved = load_config(file, env={}, settings=settings)
    assert (saved.config.ib.host, saved.config.ib.port, saved.ib_source) == ("sethost", 4002, "settings")
    assert saved.ib_overridden_by is None
    world = load_config(file, env={}, settings=settings, scenario=scenario)
    assert (world.config.ib.port, world.ib_source) == (4444, "scenario")
    assert world.config.gates.state.delta.epsilon_band == 7
    assert world.sources["gates.state.delta.epsilon_band"] == "scenario"
    environment = {
        "IB_PORT": "5555",
        "BIFROST_GATES__STATE__DELTA__EPSILON_BAND": "8",
        "BIFROST_SCENARIO": str(scenario),
    }
    from_env = load_config(file, env=environment, settings=settings)
    assert (from_env.config.ib.port, from_env.ib_source) == (5555, "env")
    assert "IB_PORT" in str(from_env.ib_overridden_by)
    last = load_config(file, env=environment, overrides={"gates.state.delta.epsilon_band": 9})
    assert last.config.gates.state.delta.epsilon_band == 9
    assert last.sources["gates.state.delta.epsilon_band"] == "cli"
    assert last.sources["symbol"] == "scenario" and last.sources["order.tif"] == "default"


def test_scenario_makes_the_simulator_gateway_and_clock(tmp_path: Path) -> None:
    scenario = write(tmp_path, SCENARIO.replace("  ib: {port: 4444}\n", ""), "world.yaml")
    loaded = load_config(
        write(tmp_path, "symbol: NVDA\n"), env={"SIM_HOST": "0.0.0.0", "SIM_PORT": "4999"}, scenario=scenario
    )
    config = loaded.config
    assert (config.symbol, config.ib.host, config.ib.port, config.ib.account) == ("TWX", "127.0.0.1", 4999, "DU1")
    assert (config.clock.source, config.clock.url) == ("simulator", "http://127.0.0.1:4010")


def test_symbol_of_the_overlay_must_be_the_scenarios(tmp_path: Path) -> None:
    scenario = write(tmp_path, SCENARIO + "  symbol: NVDA\n", "world.yaml")
    assert any("'NVDA' is not the scenario's symbol 'TWX'" in text for text in problems_of(scenario=scenario))


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "symbl: NVDA\nib:\n  port: 'x'\n  reset_windows: ['zz']\ngates:\n  state:\n"
        "    delta: {epsilon_bnad: 3, max_delta_limit: true}\ndaemon: 7\nstrategy_enabled: yes\n",
    )
    found = problems_of(path=file)
    expected = [
        ":1: symbl: unknown key, did you mean 'symbol'?",
        ":3: ib.port: 'x' must be a whole number",
        ":4: ib.reset_windows.0: 'zz': write a window as",
        ":7: gates.state.delta.epsilon_bnad: unknown key, did you mean 'epsilon_band'?",
        ":7: gates.state.delta.max_delta_limit: True must be a number",
        ":8: daemon: 7 must be a mapping of keys",
        ":9: strategy_enabled: 'yes' must be true or false",
    ]
    for text in expected:
        assert any(text in problem and str(file) in problem for problem in found), (text, found)
    assert len(found) == len(expected)


def test_key_in_the_wrong_section_is_pointed_home(tmp_path: Path) -> None:
    assert (
        "did you mean 'gates.guard.risk.paper_trade'?" in problems_of(path=write(tmp_path, "paper_trade: false\n"))[0]
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gates.state.delta.epsilon_band", 25, "must be below threshold_hedge_shares 25"),
        ("gates.state.delta.threshold_hedge_shares", 500, "must be below max_delta_limit 500"),
        ("gates.strategy.structure.min_dte", 36, "must not be above max_dte 35"),
        ("gates.state.liquidity.wide_spread_pct", 0.5, "must be below extreme_spread_pct 0.5"),
        ("gates.intent.hedge.min_hedge_shares", 501, "must not be above max_hedge_shares_per_order 500"),
        ("gates.state.system.data_lag_threshold_ms", 5001, "must not be above"),
        ("gates.guard.risk.max_net_delta_shares", 24, "must not be below threshold_hedge_shares"),
        ("pricer.client_id", 1, "is the client id of ib.client_id too"),
        ("clock.source", "simulator", "needs the simulator's admin address"),
        ("clock.url", "localhost", "is no address"),
        ("simulator.admin_port", 4002, "is the gateway's port"),
    ],
)
def test_impossible_combinations(key: str, value: object, words: str) -> None:
    found = problems_of(overrides={key: value})
    assert any(words in text for text in found), found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gates.state.delta.epsilon_band", 0),
        ("gates.state.delta.epsilon_band", 24.9),
        ("gates.strategy.structure.min_dte", 35),
        ("gates.state.liquidity.wide_spread_pct", 0.49),
        ("gates.intent.hedge.min_hedge_shares", 500),
        ("daemon.heartbeat_interval", 5),
        ("daemon.heartbeat_interval", 120),
    ],
)
def test_limits_themselves_are_allowed(key: str, value: object) -> None:
    assert load_config(env={}, overrides={key: value}).sources[key] == "cli"


@pytest.mark.parametrize("seconds", [4.9, 120.1, float("nan")])
def test_heartbeat_range(seconds: float) -> None:
    assert "daemon.heartbeat_interval" in problems_of(overrides={"daemon.heartbeat_interval": seconds})[0]


def test_environment_reads_each_kind_of_value() -> None:
    config = load_config(
        env={
            "BIFROST_GATES__STRATEGY__STRUCTURE__MAX_DTE": "60",
            "BIFROST_STRATEGY_ENABLED": "false",
            "BIFROST_IB__ACCOUNT": "123",
            "BIFROST_GATES__STRATEGY__EARNINGS__DATES": "[2026-02-25, 2026-05-20]",
            "BIFROST_GATES__GUARD__RISK__MAX_NOTIONAL": "1e6",
            "MONITOR_ALLOWED_HOSTS": "desk.local, other",
            "PGPASSWORD": "geheim",
            "BIFROST_TOKEN": "not a key",
            "IB_HOST": "",
        }
    ).config
    assert config.gates.strategy.structure.max_dte == 60
    assert config.strategy_enabled is False
    assert config.ib.account == "123" and config.ib.host == "127.0.0.1"
    assert [str(day) for day in config.gates.strategy.earnings.dates] == ["2026-02-25", "2026-05-20"]
    assert config.gates.guard.risk.max_notional == 1e6
    assert config.monitor.allowed_hosts == ("desk.local", "other")
    assert config.status.postgres.password is not None
    assert config.status.postgres.password.get_secret_value() == "geheim"
    assert "geheim" not in repr(config) and "geheim" not in str(config.model_dump(mode="json"))


def test_environment_mistakes_name_the_variable() -> None:
    found = problems_of(env={"BIFROST_TOKN": "x", "BIFROST_IB": "x", "IB_PORT": "70000", "PGPORT": "abc"})
    assert any("BIFROST_TOKN" in text and "BIFROST_TOKEN" in text for text in found)
    assert any("BIFROST_IB" in text and "names a section" in text for text in found)
    assert any("IB_PORT" in text and "ib.port" in text and "70000" in text for text in found)
    assert any("PGPORT" in text and "must be a whole number" in text for text in found)


def test_two_variables_for_one_key_must_agree() -> None:
    assert "sets the same key" in problems_of(env={"IB_PORT": "4001", "BIFROST_IB__PORT": "4002"})[0]
    assert load_config(env={"IB_PORT": "4002", "BIFROST_IB__PORT": "4002"}).config.ib.port == 4002


def test_named_file_must_exist_and_be_yaml(tmp_path: Path) -> None:
    assert "no such file" in problems_of(path=tmp_path / "none.yaml")[0]
    assert "no YAML" in problems_of(path=write(tmp_path, "a: [1\n"))[0]
    assert "must be a mapping" in problems_of(path=write(tmp_path, "- 1\n"))[0]
    twice = problems_of(path=write(tmp_path, "symbol: A\nib: {port: 1}\nsymbol: B\n"))[0]
    assert ":3: symbol: stands here a second time, first on line 1" in twice


def test_empty_file_and_empty_sections_mean_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "# nothing\n"), env={}).config == Config()
    assert load_config(write(tmp_path, "gates:\n  state:\n"), env={}).config == Config()


def test_hash_follows_decisions_and_not_addresses() -> None:
    base = load_config(env={}, overrides={})
    moved = load_config(env={"PGHOST": "db", "IB_PORT": "4002", "MONITOR_PORT": "9000", "PGPASSWORD": "secret"})
    other = load_config(env={}, overrides={"gates.state.delta.epsilon_band": 11})
    assert base.hash == moved.hash == load_config(env={}).hash
    assert len({base.hash, other.hash, load_config(env={}, overrides={"ib.account": "DU7"}).hash}) == 3


def test_config_from_judges_like_a_file() -> None:
    assert config_from({"gates": {"state": {"delta": {"epsilon_band": 3}}}}).gates.state.delta.epsilon_band == 3
    with pytest.raises(ConfigError, match="must be below"):
        config_from({"gates": {"state": {"delta": {"epsilon_band": 30}}}})
    with pytest.raises(ConfigError, match="unknown key"):
        config_from({"nonsense": 1})


def test_windows_of_the_week() -> None:
    def at(day: int, hour: int, minute: int) -> datetime:  # 5 January 2026 is a Monday
        return datetime(2026, 1, 4 + day, hour, minute, tzinfo=ZoneInfo("America/New_York"))

    nightly, weekly = WeekWindow.parse("23:45-00:45"), WeekWindow.parse("Fri 23:00-Sat 03:00")
    assert [nightly.contains(at(3, *time)) for time in ((23, 44), (23, 45), (0, 44), (0, 45))] == [
        False,
        True,
        True,
        False,
    ]
    assert [weekly.contains(at(5, 22, 59)), weekly.contains(at(5, 23, 0)), weekly.contains(at(6, 2, 59))] == [
        False,
        True,
        True,
    ]
    assert not weekly.contains(at(6, 3, 0)) and not weekly.contains(at(4, 23, 30))
    over_sunday = WeekWindow.parse("Sun 22:00-Mon 01:00")
    assert (
        over_sunday.contains(at(7, 23, 0))
        and over_sunday.contains(at(1, 0, 30))
        and not over_sunday.contains(at(2, 0, 30))
    )
    for text in ("25:00-01:00", "Fri 23:00-03:00", "10:00-10:00", "x"):
        with pytest.raises(ValueError, match=r"window|time of day"):
            WeekWindow.parse(text)
