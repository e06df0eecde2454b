"""``python -m bifrost_pricer run --config config/config.yaml``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from bifrost.config import ConfigError, load_config
from bifrost.log import setup_logging

from .bootstrap import run


def main(arguments: list[str] | None = None) -> int:
    """Run the service; 0 after SIGTERM or SIGINT, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="bifrost_pricer", description="Keeps a price for every contract held.")
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="run until SIGTERM or SIGINT")
    runner.add_argument("--config", type=Path, default=None, help="configuration file (default: config/config.yaml)")
    options = parser.parse_args(arguments)
    setup_logging("pricer")
    try:
        loaded = load_config(options.config)
    except ConfigError as error:
        logging.getLogger(__name__).error("%s", error)
        return 2
    try:
        asyncio.run(run(options.config, loaded))
    except KeyboardInterrupt:
        return 0
    except Exception:
        logging.getLogger(__name__).exception("the pricer failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
