"""``python -m bifrost_engine run --config config/config.yaml``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from bifrost.config import ConfigError, LoadedConfig, SinkKind, load_config
from bifrost.log import setup_logging

log = logging.getLogger("bifrost_engine")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bifrost_engine", description="Hedges the delta of option legs with stock.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "run until the stop command, SIGTERM or SIGINT"),
        ("check", "check configuration, database and IB, then exit"),
        ("flatten", "show what flatten would do"),
        ("backtests", "carry out the backtests that the page launches, until SIGTERM or SIGINT"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", type=Path, default=None, help="default: config/config.yaml")
        if name == "flatten":
            command.add_argument(
                "--dry-run", action="store_true", required=True, help="orders are sent by the running engine alone"
            )
            command.add_argument("--target", choices=("zero", "delta"), default="zero")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """0 after an ordered end, 1 after a failure, 2 for a configuration that cannot be used."""
    options = _parser().parse_args(arguments)
    setup_logging("backtest" if options.command == "backtests" else "engine")
    try:
        loaded = load_config(options.config)
    except ConfigError as error:
        log.error("%s", error)
        return 2
    if options.command == "check":
        from bifrost.selftest import Wanted, run_checks

        return 0 if run_checks(Wanted(config_file=options.config), print) else 1
    if options.command == "flatten":
        return _preview(loaded, options.target)
    if options.command == "backtests":
        return _backtests(options.config, loaded)
    return _run(options.config, loaded)


def _preview(loaded: LoadedConfig, target: str) -> int:
    from bifrost.db import DatabaseError

    from .bootstrap import flatten_preview

    try:
        lines = flatten_preview(loaded, target)
    except DatabaseError as error:
        log.error("%s", error)
        return 1
    for line in lines:
        print(line)  # noqa: T201
    return 0


def _backtests(path: Path | None, loaded: LoadedConfig) -> int:
    from .backtest.worker import step_back
    from .bootstrap import backtest_worker

    step_back()
    worker = backtest_worker(path.absolute() if path is not None else None, loaded.config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    worker.run()
    return 0


def _run(path: Path | None, loaded: LoadedConfig) -> int:
    from .bootstrap import run

    if loaded.config.status.sink is SinkKind.NONE:
        log.error("status.sink is none: the engine keeps intents and fills in a database; set it to postgres")
        return 2
    try:
        return asyncio.run(run(path, loaded))
    except KeyboardInterrupt:
        return 0
    except Exception:
        log.exception("the engine failed")
        return 1


if __name__ == "__main__":
    sys.exit(main())
