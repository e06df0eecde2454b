"""The scenarios that ship: what they promise, measured on their own worlds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from bifrost.config import load_config, load_scenario
from bifrost.contract import parse_contract_key
from bifrost.tape import LeanDay
from bifrost_simulator.build import build_world
from bifrost_simulator.cli import main
from bifrost_simulator.market.greeks import OptionModel
from bifrost_simulator.record import Selection, record_day
from bifrost_simulator.world import SimulatedWorld
from jsonschema import Draft202012Validator

from tests.simulator.world_support import scenario_file

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "config" / "scenarios"
SCHEMA = json.loads((ROOT / "tests" / "contract" / "scenario.schema.json").read_text())
NAMES = ("default", "twx-2014-06-05", "tape")


def _file(name: str) -> Path:
    return SCENARIOS / f"{name}.yaml"


def _config(name: str):
    return load_config(ROOT / "config" / "config.yaml", env={}, scenario=_file(name)).config


def _greeks(world: SimulatedWorld) -> tuple[float, float]:
    """Net delta and gamma of the options held, in shares and shares per dollar."""
    model, delta, gamma = OptionModel(), 0.0, 0.0
    positions = [p for p in world.positions() if p.contract.sec_type == "OPT"]
    keys = [world.universe.key(p.contract.con_id) for p in positions]
    found = model.compute(keys, [world.market.model_inputs(key) for key in keys], world.market.quotes(keys))
    for position, values in zip(positions, found, strict=True):
        assert values is not None
        units = position.quantity * position.contract.multiplier_units
        delta, gamma = delta + units * values.delta, gamma + units * values.gamma
    return delta, gamma


@pytest.mark.parametrize("name", NAMES)
def test_shipped_scenarios_fit_schema_loader_and_configuration(name: str) -> None:
    content = yaml.safe_load(_file(name).read_text())
    assert list(Draft202012Validator(SCHEMA).iter_errors(content)) == []
    scenario, config = load_scenario(_file(name)), _config(name)
    assert config.symbol == scenario.symbol
    assert config.gates.guard.risk.paper_trade is False, "their orders really cross the wire"
    assert config.ib.account in {account.id for account in scenario.accounts}
    assert all(account.id.startswith("DU") for account in scenario.accounts)
    assert config.clock.source == "simulator"


@pytest.mark.parametrize(
    "broken",
    [
        {"market": "imagined"},
        {"accounts": []},
        {"accounts": [{"id": "U1234567", "cash": 1}]},
        {"start": "tomorrow"},
        {"speed": 0},
        {"market": "replay"},
        {"colour": "red"},
        {"accounts": [{"id": "DU1", "cash": 1, "positions": [{"contract_key": "NVDA|OPT|soon|atm|C", "quantity": 1}]}]},
        {"faults": [{"name": "halt"}]},
        {"faults": [{"at": "noonish", "name": "halt"}]},
    ],
)
def test_schema_and_loader_refuse_the_same(tmp_path: Path, broken: dict[str, object]) -> None:
    file = scenario_file(tmp_path, **broken)
    content = yaml.safe_load(file.read_text())
    assert list(Draft202012Validator(SCHEMA).iter_errors(content)), "the schema lets it pass"
    with pytest.raises(ValueError, match=r"scenario\.yaml"):
        load_scenario(file)


def test_the_default_scenario_is_the_show_it_promises() -> None:
    world, config = build_world(load_scenario(_file("default"))), _config("default")
    scenario = load_scenario(_file("default"))
    assert scenario.always_open and scenario.speed == 10 and scenario.market == "generated"
    call, put = (position for position in world.positions() if position.contract.sec_type == "OPT")
    assert (call.contract.expiry, call.contract.strike) == (put.contract.expiry, put.contract.strike)
    assert {call.contract.right, put.contract.right} == {"C", "P"} and call.quantity == put.quantity
    structure, band = config.gates.strategy.structure, config.gates.state.delta
    risk, hedge = config.gates.guard.risk, config.gates.intent.hedge
    spot = world.board.quote(world.universe.stock.con_id).mark
    assert spot is not None
    days = (parse_contract_key(call.contract.contract_key).expiry_date - world.now().date()).days
    assert days >= 28 and structure.min_dte <= days <= structure.max_dte, "the engine adopts it"
    assert abs(call.contract.strike - spot) / spot <= structure.atm_band_pct
    delta, gamma = _greeks(world)
    assert gamma * 0.002 * spot >= 2 * band.threshold_hedge_shares
    assert band.threshold_hedge_shares <= abs(delta) <= hedge.max_hedge_shares_per_order, "the first need is one order"
    assert abs(delta) < band.max_delta_limit
    assert (abs(call.quantity)) * 100 <= risk.max_position_shares
    assert risk.max_daily_hedge_count >= 5000


def test_the_default_scenario_needs_hedges_all_day_and_stays_quiet_enough_to_trade() -> None:
    """Two market hours, twelve wall minutes: needs keep coming, and the stock's spread is one that may be crossed."""
    world, config = build_world(load_scenario(_file("default"))), _config("default")
    stock = world.universe.key(world.universe.stock.con_id)
    start_s = world.clock.market_s
    hedged_at, needs, wide = 0.0, 0, 0
    delta, _ = _greeks(world)
    for minute in range(120):
        world.market.advance(start_s + 60 * minute)
        quote = world.market.quotes([stock])[0]
        wide += (quote.ask - quote.bid) / quote.ask * 100 > config.gates.state.liquidity.wide_spread_pct
        delta, _ = _greeks(world)
        if abs(delta - hedged_at) >= config.gates.state.delta.threshold_hedge_shares:
            needs, hedged_at = needs + 1, delta
    assert needs >= 20
    assert wide <= 2


def test_the_shipped_tape_is_what_its_recipe_records(tmp_path: Path) -> None:
    """Made by the simulator: recording it again gives the same rows."""
    record_day(load_scenario(SCENARIOS / "tape" / "recorded-from.yaml"), tmp_path, Selection(28, 2, 3))
    scenario = load_scenario(_file("tape"))
    shipped = LeanDay(scenario.data_folder({}), "NVDA", scenario.start.date())
    again = LeanDay(tmp_path, "NVDA", scenario.start.date())
    assert shipped.quotes == again.quotes and shipped.trades == again.trades
    assert shipped.bad_rows == []
    assert len(shipped.options) == 28 and len(shipped.quotes[shipped.stock]) == 390
    size = sum(file.stat().st_size for file in (SCENARIOS / "tape").rglob("*") if file.is_file())
    assert size < 300_000


def test_the_tape_scenario_asks_for_hedges() -> None:
    world, config = build_world(load_scenario(_file("tape"))), _config("tape")
    start_s, hedged_at, needs = world.clock.market_s, 0.0, 0
    for minute in range(1, 120):
        world.market.advance(start_s + 60 * minute)
        delta, _ = _greeks(world)
        if abs(delta - hedged_at) >= config.gates.state.delta.threshold_hedge_shares:
            needs, hedged_at = needs + 1, delta
    assert needs >= 10
    spot = world.market.quotes([world.universe.key(world.universe.stock.con_id)])[0].mid
    assert spot is not None and abs(spot - 140) / 140 < 0.1


@pytest.mark.lean
def test_the_twx_scenario_holds_its_straddle() -> None:
    if not os.environ.get("BIFROST_DATA"):
        pytest.skip("BIFROST_DATA names no recorded data")
    world, config = build_world(load_scenario(_file("twx-2014-06-05"))), _config("twx-2014-06-05")
    held = {position.contract.contract_key: position.quantity for position in world.positions()}
    assert held == {"TWX|OPT|20140719|70|C": 20, "TWX|OPT|20140719|70|P": 20}
    structure = config.gates.strategy.structure
    assert (structure.min_dte, structure.max_dte) == (10, 60)


def test_validate_speaks_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("BIFROST_SCENARIO", "")
    assert main(["validate", "--scenario", str(_file("default"))]) == 0
    assert "NVDA|OPT|20260605|140|C" in capsys.readouterr().out
    monkeypatch.setenv("BIFROST_SCENARIO", "")
    assert main(["validate", "--scenario", str(scenario_file(tmp_path, speed=-1))]) == 2
    refusal = capsys.readouterr().err
    assert "speed" in refusal and "Traceback" not in refusal
