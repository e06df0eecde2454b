"""Command line of the simulator."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bifrost import paths
from bifrost.config import Config, ConfigError, Scenario, load_config, load_scenario
from bifrost.log import setup_logging
from bifrost.tape import TapeError

from bifrost_simulator.bootstrap import Simulator, StartError
from bifrost_simulator.build import build_world
from bifrost_simulator.faults.catalogue import catalogue_lines
from bifrost_simulator.record import Selection, record_day
from bifrost_simulator.scenario import WorldError
from bifrost_simulator.state import StateError

log = logging.getLogger("bifrost_simulator")

DEFAULT_SCENARIO_FILE = "config/scenarios/default.yaml"
_REFUSED = (ConfigError, StartError, StateError, WorldError, TapeError)
_TIMEOUT_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m bifrost_simulator``; returns the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except _REFUSED as error:
        if logging.getLogger().handlers:
            log.error("%s", error)
        print(f"bifrost_simulator: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bifrost_simulator", description="A simulated IB Gateway.")
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="run the gateway, the market and the admin API")
    _add_sources(run)
    run.set_defaults(run=_run)
    validate = commands.add_parser("validate", help="check a scenario and say what its world begins with")
    _add_sources(validate)
    validate.set_defaults(run=_validate)
    record = commands.add_parser("record-tape", help="write a generated day as a LEAN folder that can be replayed")
    record.add_argument("--scenario", type=Path, required=True, help="a scenario with a generated market")
    record.add_argument("--out", type=Path, required=True, help="the LEAN folder to write into")
    record.add_argument("--days", type=int, default=14, help="first expiry at least so many days away")
    record.add_argument("--expiries", type=int, default=2)
    record.add_argument("--strikes", type=int, default=3, help="strikes on each side of spot")
    record.set_defaults(run=_record)
    inject = commands.add_parser("inject", help="inject a fault into a running simulator")
    inject.add_argument("name", help="name of the fault; `list` shows them all, `end NAME` ends an active one")
    inject.add_argument("parameters", nargs="*", metavar="key=value")
    inject.add_argument("--config", type=Path)
    inject.set_defaults(run=_inject)
    journal = commands.add_parser("journal", help="what a running simulator heard and said, a line a message")
    journal.add_argument("--client", type=int, help="only this client")
    journal.add_argument("--message", help="only these, as placeOrder,orderStatus")
    journal.add_argument("--since", type=int, default=0, help="only after this number")
    journal.add_argument("--limit", type=int, default=1000)
    journal.add_argument("--ticks", action="store_true", help="market data too")
    journal.add_argument("--config", type=Path)
    journal.set_defaults(run=_journal)
    return parser


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="configuration file; default config/config.yaml")
    parser.add_argument("--scenario", type=Path, help="scenario file; default BIFROST_SCENARIO, else the default one")


def _load(given: argparse.Namespace) -> tuple[Config, Scenario]:
    file = given.scenario or os.environ.get("BIFROST_SCENARIO") or DEFAULT_SCENARIO_FILE
    if given.scenario is not None:
        # State and logs of a scenario have their own home, also when it is named on the command line.
        os.environ["BIFROST_SCENARIO"] = str(given.scenario)
    scenario = load_scenario(file)
    return load_config(given.config, scenario=scenario.file).config, scenario


def _run(given: argparse.Namespace) -> int:
    config, scenario = _load(given)
    setup_logging("simulator")
    log.info("scenario %s (%s), market %s of %s", scenario.name, scenario.hash, scenario.market, scenario.symbol)
    simulator = Simulator(config, scenario, paths.home())
    asyncio.run(simulator.run())
    return 0


def _validate(given: argparse.Namespace) -> int:
    _, scenario = _load(given)
    world = build_world(scenario)
    print(f"scenario {scenario.name} ({scenario.hash}): {scenario.market} market of {scenario.symbol}")
    print(f"market time begins {world.now().isoformat()} at speed {scenario.speed:g}")
    print(f"{len(world.market.chain())} options listed")
    for account in world.accounts():
        print(f"account {account}: net liquidation {world.settlement.figures(account).net_liquidation:,.2f} USD")
        for position in world.positions(account):
            print(f"  {position.quantity:g} {position.contract.contract_key} at {position.avg_cost:.2f}")
    return 0


def _record(given: argparse.Namespace) -> int:
    selection = Selection(given.days, given.expiries, given.strikes)
    for file in record_day(load_scenario(given.scenario), given.out, selection):
        print(f"{file} ({file.stat().st_size:,} bytes)")
    return 0


def _journal(given: argparse.Namespace) -> int:
    asked = {"since": given.since, "client_id": given.client, "message": given.message, "limit": given.limit}
    query = {name: value for name, value in asked.items() if value is not None} | (
        {"ticks": "true"} if given.ticks else {}
    )
    for entry in _ask(f"{_base(given)}/journal?{urllib.parse.urlencode(query)}")["entries"]:
        print(journal_line(entry))
    return 0


def journal_line(entry: dict[str, Any]) -> str:
    """One entry of the journal for the eye: number, market time (UTC), direction, client, message, fields."""
    fields = " ".join(f"{name}={_short(value)}" for name, value in entry["fields"].items())
    client = "-" if entry["client_id"] is None else entry["client_id"]
    arrow = "<-" if entry["direction"] == "in" else "->"
    return f"{entry['seq']:>7} {entry['market'][:23]} {arrow} {client:>3} {entry['message']} {fields}".rstrip()


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return json.dumps(text) if not text or " " in text else text


def _base(given: argparse.Namespace) -> str:
    settings = load_config(given.config).config.simulator
    return f"http://{settings.host}:{settings.admin_port}"


def _inject(given: argparse.Namespace) -> int:
    base = _base(given)
    if given.name == "list":
        print("\n".join(catalogue_lines(_ask(f"{base}/faults")["known"])))
        return 0
    if given.name == "end":
        if len(given.parameters) != 1:
            raise StartError("say which fault is to end: inject end NAME")
        print(json.dumps(_ask(f"{base}/faults/{given.parameters[0]}", method="DELETE")))
        return 0
    parameters = {}
    for text in given.parameters:
        key, equals, value = text.partition("=")
        if not equals:
            raise StartError(f"parameter {text!r} must be written key=value")
        parameters[key] = _value(value)
    print(json.dumps(_ask(f"{base}/faults/{given.name}", parameters)))
    return 0


def _value(text: str) -> Any:
    """A number, true, false or null where it reads as one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never stands before loopback
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        detail = json.load(error).get("detail", error.reason)
        raise StartError(f"the simulator refused: {detail}") from None
    except OSError as error:
        raise StartError(
            f"no simulator answers at {url} ({error}); is it running, and is SIM_ADMIN_PORT right?"
        ) from None
