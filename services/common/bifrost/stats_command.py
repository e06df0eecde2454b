"""`bifrost stats`: what the desk did and what it cost, from the database alone; the engine may be off."""

from __future__ import annotations

import argparse
import contextlib
import sys
from datetime import date
from typing import Any

from bifrost.stats import By, StatsError


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add ``stats``."""
    from bifrost.cli import add_config_options

    parser = subparsers.add_parser(
        "stats", help="hedges, P&L, slippage, commissions, blocked decisions, time in states"
    )
    parser.add_argument(
        "--from", dest="first", type=_day, metavar="DATE", help="first New York date (the first recorded)"
    )
    parser.add_argument("--to", dest="last", type=_day, metavar="DATE", help="last New York date (the last recorded)")
    parser.add_argument("--by", type=By, choices=list(By), default=By.DAY, help="length of a period (day)")
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text", help="shape of the answer (text)")
    parser.add_argument("--account", help="account (that of the newest trading day)")
    parser.add_argument("--mode", choices=("live", "paper"), help="orders that crossed the wire, or paper fills")
    parser.add_argument("--fills", action="store_true", help="with --format json: every fill with its slippage")
    add_config_options(parser)
    parser.set_defaults(run=run)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: write it as 2026-03-20") from None


def run(args: argparse.Namespace) -> int:
    """`bifrost stats`."""
    from bifrost.cli import load_from_options
    from bifrost.db.connect import connect
    from bifrost.db.errors import DatabaseError
    from bifrost.db.queries.stats import read_statistics
    from bifrost.stats.report import as_csv, as_json, as_text

    config = load_from_options(args).config
    try:
        # The monitor's role reads everything and can change nothing of the engine's.
        with contextlib.closing(connect(config, service="stats", role="bifrost_monitor")) as conn:
            answer = read_statistics(
                conn, first=args.first, last=args.last, by=args.by, account=args.account, mode=args.mode
            )
    except (DatabaseError, StatsError) as error:
        sys.stderr.write(f"bifrost stats: {error}\n")
        return 1
    if args.format == "json":
        sys.stdout.write(as_json(answer, with_fills=args.fills))
    else:
        sys.stdout.write(as_csv(answer) if args.format == "csv" else as_text(answer))
    return 0
