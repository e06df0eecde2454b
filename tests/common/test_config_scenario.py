"""Scenario files: what is refused, and what a reader gets (contracts.md, "Scenario")."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bifrost import paths
from bifrost.config import (
    FaultAnchor,
    GeneratedMarket,
    Market,
    Scenario,
    ScenarioAccount,
    ScenarioError,
    ScenarioPosition,
    load_config,
    load_scenario,
    relative_expiry_days,
)

GOOD = """\
market: replay
seed: 7
symbol: TWX
data: ./tape
start: "2014-06-05 09:30"
speed: 60
accounts:
  - id: DU1234567
    cash: 1000000
    positions:
      - {contract_key: "TWX|OPT|+28d|atm|C", quantity: 20}
      - {contract_key: "TWX|STK|||", quantity: -100, avg_cost: 70.5}
faults:
  - {at: open+15m, name: disconnect, seconds: 5}
  - {at: "10:15:30", name: ack_lost}
  - {at: 90, name: quotes_stop}
  - {at: close-5m, name: fill_partial}
config:
  gates: {strategy: {structure: {min_dte: 10}}}
"""


def write(folder: Path, text: str, name: str = "world.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def problem_of(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(folder, text))
    return str(caught.value)


def test_good_scenario(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    assert scenario.name == "world" and scenario.market is Market.REPLAY
    assert scenario.start_utc == datetime(2014, 6, 5, 13, 30, tzinfo=UTC)
    assert scenario.accounts[0].positions[1].avg_cost == 70.5
    assert [fault.when() for fault in scenario.faults] == [
        (FaultAnchor.OPEN, 900.0),
        (FaultAnchor.MIDNIGHT, 36930.0),
        (FaultAnchor.START, 90.0),
        (FaultAnchor.CLOSE, -300.0),
    ]
    assert scenario.faults[0].parameters == {"seconds": 5}
    assert load_config(env={}, scenario=scenario.file).config.gates.strategy.structure.min_dte == 10


def test_hash_covers_the_world_and_not_its_name(tmp_path: Path) -> None:
    base = load_scenario(write(tmp_path, GOOD)).hash
    assert load_scenario(write(tmp_path, "name: other\n" + GOOD)).hash == base
    assert load_scenario(write(tmp_path, GOOD.replace("seed: 7", "seed: 8"))).hash != base
    assert load_scenario(write(tmp_path, GOOD.replace("min_dte: 10", "min_dte: 11"))).hash != base


def test_account_must_be_simulated(tmp_path: Path) -> None:
    text = problem_of(tmp_path, GOOD.replace("DU1234567", "U1234567"))
    assert ":8: accounts.0.id: 'U1234567' must begin with DU" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("market: replay", "market: reply", "market"),
        ("data: ./tape\n", "", "market replay needs data"),
        ("speed: 60", "speed: 0", "speed"),
        ("speed: 60", "sped: 60", "did you mean 'speed'?"),
        ('"2014-06-05 09:30"', '"5 June"', "New York date and time"),
        ('"2014-06-05 09:30"', '"2014-06-05T09:30:00Z"', "without a zone"),
        ("TWX|OPT|+28d|atm|C", "TWX|OPT|28|atm|C", "expiry"),
        ("TWX|OPT|+28d|atm|C", "TWX|OPT|20140719|x|C", "strike"),
        ("TWX|OPT|+28d|atm|C", "TWX|OPT|20140719|70", "5 fields"),
        ("quantity: 20", "quantity: 0", "must not be 0"),
        ("at: open+15m", "at: noon", "write open+15m"),
        ("symbol: TWX\n", "", "symbol: is missing"),
    ],
)
def test_bad_scenarios_say_what_is_wrong(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in problem_of(tmp_path, GOOD.replace(old, new))


def test_overlay_is_checked_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD + "  order: {typ: limit}\n")
    with pytest.raises(ValueError, match=r"world\.yaml:20: order\.typ: unknown key"):
        load_config(env={}, scenario=file)


def test_data_beside_the_file_or_below_the_data_folder(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    with pytest.raises(ScenarioError, match="LEAN folder format"):
        scenario.data_folder({})
    (tmp_path / "tape").mkdir()
    assert scenario.data_folder({}) == (tmp_path / "tape").resolve()
    elsewhere = load_scenario(write(tmp_path, GOOD.replace("./tape", "lean"), "other.yaml"))
    (tmp_path / "store" / "lean").mkdir(parents=True)
    assert elsewhere.data_folder({"BIFROST_DATA": str(tmp_path / "store")}) == tmp_path / "store" / "lean"
    with pytest.raises(ScenarioError, match="set BIFROST_DATA"):
        elsewhere.data_folder({"BIFROST_DATA": str(tmp_path)})


def test_missing_scenario_names_who_asked(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"BIFROST_SCENARIO.*no such file"):
        load_config(env={"BIFROST_SCENARIO": str(tmp_path / "none.yaml")})


def test_relative_expiry() -> None:
    assert relative_expiry_days("+28d") == 28
    assert relative_expiry_days("20140719") is None


def test_loader_and_contract_know_the_same_keys() -> None:
    file = Path(__file__).parents[1] / "contract" / "scenario.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    pairs = {
        Scenario: schema,
        ScenarioAccount: schema["$defs"]["account"],
        ScenarioPosition: schema["$defs"]["position"],
        GeneratedMarket: schema["$defs"]["generated"],
    }
    for model, contract in pairs.items():
        assert set(model.model_fields) == set(contract["properties"]), model.__name__


@pytest.mark.parametrize("file", sorted((paths.repository_root() / "config" / "scenarios").glob("*.yaml")), ids=str)
def test_shipped_scenarios_load_with_their_overlay(file: Path) -> None:
    loaded = load_config(env={}, scenario=file)
    assert loaded.scenario is not None
    assert loaded.config.symbol == loaded.scenario.symbol
    assert loaded.config.clock.source == "simulator"
    assert loaded.config.gates.guard.risk.paper_trade is False
