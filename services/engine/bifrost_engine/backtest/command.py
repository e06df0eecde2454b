"""`bifrost backtest` and `bifrost replay`: the live core on recorded quotes, and a tape through the core again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from functools import partial
from pathlib import Path
from typing import Any

from bifrost.cli import add_config_options, load_from_options, parse_overrides
from bifrost.tape import TapeError as DataError

from bifrost_engine.domain.state import Rules

from .fills import FillModel
from .grid import Grid, GridError, LocalWorkers, Task, Workers, bar, parameter_sets, rules_of
from .legs import Entry, LegsError, Straddle, read_legs
from .tape import TapeError, TapeWriter

#: What ``--data`` says for the desk's own table of that name.
HISTORY = "status_history"


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add ``backtest`` and ``replay``."""
    parser = subparsers.add_parser("backtest", help="run the live core over recorded quotes; report, Parquet, database")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help=f"LEAN folder, quotes in .csv, .parquet or .jsonl.gz (tape) files, or {HISTORY}",
    )
    parser.add_argument("--from", dest="first", type=_day, metavar="DATE", help="first day (the first recorded)")
    parser.add_argument("--to", dest="last", type=_day, metavar="DATE", help="last day (the last recorded)")
    parser.add_argument("--legs", type=Path, help="YAML file of the legs to hold; without it a straddle is bought")
    parser.add_argument("--quantity", type=int, default=20, help="contracts of each straddle leg; negative sells (20)")
    parser.add_argument("--min-dte", type=int, help="straddle: days to expiry at least (structure.min_dte)")
    parser.add_argument("--max-dte", type=int, help="straddle: days to expiry at most (structure.max_dte)")
    parser.add_argument("--entry", type=_time, default=time(9, 45), help="New York time of the entry (09:45)")
    parser.add_argument("--latency-ms", type=float, default=500.0, help="order to book, wire and broker (500)")
    parser.add_argument("--out", type=Path, help="folder of the results (backtests/<run id>)")
    parser.add_argument("--database", action="store_true", help="also into backtest_runs and backtest_ticks")
    parser.add_argument("--progress", action="store_true", help="tell how far the run is, JSON lines on stderr")
    parser.add_argument("--tape", type=Path, help="write what the core consumed and decided to this tape")
    parser.add_argument(
        "--quick", action="store_true", help="spare the core the quotes on which it could not act; no policies, no tape"
    )
    parser.add_argument("--json", action="store_true", help="print the whole summary as JSON")
    parser.add_argument("--grid", type=Path, help="YAML file key: [values]: every combination; goes on where it stood")
    parser.add_argument("--workers", type=int, default=0, help="processes of a grid (one for each core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run the grid on this Dask cluster, tcp://host:8786")
    add_config_options(parser)
    parser.set_defaults(run=run_backtest)

    again = subparsers.add_parser("replay", help="feed a tape through the core; say whether every decision is the same")
    again.add_argument("tape", type=Path)
    again.set_defaults(run=run_replay)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: write it as 2014-06-05") from None


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it as 09:45") from None


def entry_of(args: argparse.Namespace, rules: Rules) -> Entry:
    """What the options ask to hold.

    Raises
    ------
    LegsError
        For a file that names no legs, or a straddle of nothing.
    """
    if args.legs is not None:
        return Entry(read_legs(args.legs), args.entry)
    structure = rules.config.gates.strategy.structure
    least = structure.min_dte if args.min_dte is None else args.min_dte
    most = structure.max_dte if args.max_dte is None else args.max_dte
    if not args.quantity or not 0 <= least <= most:
        raise LegsError(f"a straddle of {args.quantity} contracts {least} to {most} days away: nothing to hold")
    return Entry(Straddle(args.quantity, least, most), args.entry)


def data_of(args: argparse.Namespace, rules: Rules) -> tuple[Path, FillModel]:
    """Where the quotes lie, and how orders fill against them.

    The desk's history is written into a file of quotes first: whatever runs on it needs no database, and a run is named
    by what it saw. No sizes are kept in it, so orders fill whole.

    Raises
    ------
    DatabaseError
        When the history is asked for and cannot be read.
    DataError
        When it holds nothing of the symbol.
    """
    model = FillModel(latency_s=args.latency_ms / 1000.0)
    if str(args.data) != HISTORY or args.data.exists():
        return args.data, model
    from bifrost_engine.bootstrap import export_history

    folder: Path = args.out or Path("backtests")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{HISTORY}-{rules.config.symbol}.parquet"
    count = export_history(rules.config, file, args.first, args.last)
    if not count:
        raise DataError(f"{HISTORY} holds no quote of {rules.config.symbol} in the days asked for")
    sys.stderr.write(f"{HISTORY}: {count:,} quotes in {file}; no sizes and legs at their marks, so fills are whole\n")
    return file, replace(model, sizes=False)


def run_backtest(args: argparse.Namespace) -> int:
    """`bifrost backtest`."""
    from bifrost.db.errors import DatabaseError

    rules = rules_of(load_from_options(args))
    if not args.latency_ms >= 0:
        return _failed("backtest", f"--latency-ms {args.latency_ms:g}: a latency is not below 0")
    if args.quick and (args.tape is not None or args.grid is not None):
        return _failed("backtest", "--quick goes with neither --tape (it needs every evaluation) nor --grid")
    try:
        if args.grid is not None:
            return _run_grid(args, rules)
        if args.scheduler is not None:
            raise GridError("--scheduler runs the sets of a --grid: name one, or leave it away")
        summary, folder = _run(args, rules)
    except (DataError, LegsError, TapeError, GridError, DatabaseError, OSError) as error:
        return _failed("backtest", str(error))
    if args.json:
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    else:
        sys.stdout.write(_text(summary) + f"report: {folder / 'report.html'}\n")
    return 0


def _run(args: argparse.Namespace, rules: Rules) -> tuple[dict[str, Any], Path]:
    from .market import market_of
    from .outputs import ParquetTicks, TickSink, write_json
    from .progress import Reporter, Watched
    from .quick import QuickRun
    from .report import html_report
    from .run import BacktestRun
    from .shadows import standard_policies
    from .summary import asked_for, curves, run_id, summary

    reporter = Reporter(sys.stderr) if args.progress else None
    if reporter is not None:
        reporter.tell("reading")
    data, model = data_of(args, rules)
    market = market_of(data, rules.config.symbol, args.first, args.last)
    entry = entry_of(args, rules)
    identity = run_id(rules, market.data_hash(), asked_for(entry, model, quick=args.quick))
    folder: Path = args.out or Path("backtests") / str(identity)
    folder.mkdir(parents=True, exist_ok=True)
    with TickSink(ParquetTicks(folder / "ticks.parquet")) as sink:
        if args.quick:
            outcome = QuickRun(rules, market, entry, model, on_tick=sink.add, on_quiet=sink.add_quiet).run()
        else:
            make_tape = partial(TapeWriter, args.tape) if args.tape is not None else None
            policies = standard_policies(rules.config)
            if reporter is not None:
                market = Watched(market, reporter, lambda: run.tally)
            run = BacktestRun(rules, market, entry, model, on_tick=sink.add, policies=policies, make_tape=make_tape)
            outcome = run.run()
    answer = summary(outcome, rules, market, entry, model, quick=args.quick)
    write_json(folder / "summary.json", answer)
    (folder / "report.html").write_text(html_report(answer, outcome.tally, rules.config), encoding="utf-8")
    if args.database:
        from bifrost_engine.bootstrap import store_backtest

        if reporter is not None:
            reporter.tell("storing", ticks=answer["ticks"], hedges=answer["hedges"], fraction=1.0)
        stored = store_backtest(rules.config, answer, curves(outcome), folder / "ticks.parquet")
        if reporter is not None:
            reporter.tell("stored", run_id=answer["run_id"], new=stored)
        else:
            sys.stderr.write(f"database: run {answer['run_id']} {'stored' if stored else 'was stored before'}\n")
    return answer, folder


def _run_grid(args: argparse.Namespace, rules: Rules) -> int:
    """Every set of the grid that has no result yet, then the table of all of them."""
    from .market import market_of

    if args.workers < 0 or args.database or args.tape is not None:
        raise GridError(
            "a grid takes --workers 1 or more, and neither --database nor --tape: run the set you want alone"
        )
    workers = _workers(args)
    config = args.config.absolute() if args.config is not None else None
    scenario = args.scenario.absolute() if args.scenario is not None else None
    overrides = tuple(parse_overrides(args.overrides).items())
    entry, (data, model) = entry_of(args, rules), data_of(args, rules)
    tasks = [
        Task(number, parameters, config, scenario, overrides, data.absolute(), args.first, args.last, entry, model)
        for number, parameters in enumerate(parameter_sets(args.grid), start=1)
    ]
    hashes: dict[str, str] = {}

    def data_hash(task: Task) -> str:
        symbol = task.rules().config.symbol
        if symbol not in hashes:
            hashes[symbol] = market_of(task.data, symbol, task.first, task.last).data_hash()
        return hashes[symbol]

    grid = Grid(args.out or Path("backtests") / args.grid.stem, tasks, data_hash)
    grid.check()
    grid.run(workers, _show_progress)
    table = grid.table()
    (grid.folder / "table.csv").write_text(table, encoding="utf-8")
    sys.stdout.write(table if args.json else f"{len(tasks)} parameter sets: {grid.folder / 'table.csv'}\n")
    return 0


def _workers(args: argparse.Namespace) -> Workers:
    if args.scheduler is None:
        return LocalWorkers(args.workers)
    if args.workers:
        raise GridError("--scheduler takes the workers that the cluster has: leave --workers away")
    from .cluster import DaskWorkers  # Dask is installed only where a cluster is

    return DaskWorkers(args.scheduler)


def _show_progress(done: int, count: int, left_s: float | None) -> None:
    start, end = ("\r", "" if done < count else "\n") if sys.stderr.isatty() else ("", "\n")
    sys.stderr.write(f"{start}{bar(done, count, left_s)}{end}")
    sys.stderr.flush()


def run_replay(args: argparse.Namespace) -> int:
    """`bifrost replay`."""
    from .replay import replay

    try:
        found = replay(args.tape)
    except (TapeError, ValueError) as error:
        return _failed("replay", str(error))
    torn = "; the tape ends where its engine was killed" if found.torn else ""
    if found.parting is not None:
        sys.stdout.write(f"{found.parting}\n")
        return 1
    sys.stdout.write(
        f"{found.events:,} events, {found.compared:,} decisions compared, {found.hedges} hedges: all the same{torn}\n"
    )
    return 0


def _text(summary: Mapping[str, Any]) -> str:
    from .summary import parts_shown

    pnl, bad = summary["pnl"], summary["bad_rows"]
    sharpe = "-" if summary["sharpe"] is None else f"{summary['sharpe']:.2f}"
    legs = ", ".join(f"{leg['quantity']:+g} {leg['contract_key']}" for leg in summary["legs"])
    lines = [
        f"{summary['symbol']} {summary['first']} to {summary['last']}: {legs}",
        f"hedged book at mid    {pnl['at_mid_usd']:>14,.2f} $",
        f"largest drawdown      {summary['drawdown_usd']:>14,.2f} $",
        f"Sharpe ratio          {sharpe:>14}   ({summary['sharpe_basis']})",
        f"hedges                {summary['hedges']:>14,}   ({summary['hedges_per_day']:.1f} a day)",
        f"slippage paid         {summary['slippage_usd']:>14,.2f} $",
        f"stock commissions     {summary['commissions_usd']:>14,.2f} $",
    ]
    lines += [f"  {name:<19} {value:>14,.2f} $" for name, value in parts_shown(summary).items()]
    lines += [f"  blocked: {reason:<25} {count:>8,}" for reason, count in summary["blocked"].items()]
    if "quick" in summary:
        lines.append(_quick_text(summary["quick"], summary["ticks"]))
    if bad["count"]:
        lines.append(f"{bad['count']:,} bad rows left out:")
        lines += [f"  {count:,} {reason}" for reason, count in bad["by_reason"].items()]
        lines += [f"    {text}" for text in bad["shown"][:5]]
    return "\n".join(lines) + "\n"


def _quick_text(quick: Mapping[str, Any], ticks: int) -> str:
    return f"quick path: {quick['spared']:,} evaluations spared the core ({ticks:,} instants of quotes in all)"


def _failed(command: str, text: str) -> int:
    sys.stderr.write(f"bifrost {command}: {text}\n")
    return 1
