"""Which recorded data the backtest process can use, and how a request becomes a command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bifrost import paths
from bifrost.backtest import BacktestRequest, RequestError, is_source
from bifrost.config import Config
from bifrost.config.yaml_tree import written
from bifrost.tape import list_days, list_symbols

#: The small day that ships with the project, below its root.
SHIPPED = Path("config") / "scenarios" / "tape" / "lean"


def folders(env: Mapping[str, str] | None = None) -> dict[str, Path]:
    """The LEAN folders that exist, by the name a request uses: ``recorded`` (BIFROST_DATA) and ``shipped``."""
    data = paths.data_dir(env)
    known = {"recorded": next((root for root in (data, data / "lean") if (root / "equity").is_dir()), None)}
    shipped = paths.repository_root() / SHIPPED
    known["shipped"] = shipped if (shipped / "equity").is_dir() else None
    return {name: root for name, root in known.items() if root is not None}


def offer(config: Config, known: Mapping[str, Path]) -> dict[str, Any]:
    """What the page can choose from: every underlying with its recorded days, and what is held unless told."""
    structure = config.gates.strategy.structure
    return {
        "sources": [source for name, root in known.items() for source in _sources(name, root)],
        "defaults": {"min_dte": structure.min_dte, "max_dte": structure.max_dte},
    }


def _sources(name: str, root: Path) -> Iterable[dict[str, Any]]:
    for symbol in _symbols(name, root):
        days = list_days(root, symbol)
        if days:
            yield {
                "id": f"{name}/{symbol}",
                "place": name,
                "symbol": symbol,
                "first": days[0].isoformat(),
                "last": days[-1].isoformat(),
                "days": len(days),
            }


def _symbols(name: str, root: Path) -> list[str]:
    """What a request can name; a folder may be called anything."""
    return [symbol for symbol in list_symbols(root) if is_source(f"{name}/{symbol}")]


def command_line(
    request: BacktestRequest, known: Mapping[str, Path], out: Path, config_file: Path | None = None
) -> list[str]:
    """`bifrost backtest` for one request; every value stands in the same word as its option.

    Raises
    ------
    RequestError
        When this machine has no such data.
    """
    root = known.get(request.source.split("/")[0])
    if root is None or not list_days(root, request.symbol):
        there = ", ".join(f"{name}/{symbol}" for name, path in known.items() for symbol in _symbols(name, path))
        raise RequestError(f"no recorded data {request.source} here; there is: {there or 'none'}")
    words = [
        sys.executable, "-m", "bifrost.cli", "backtest", "--progress", "--database", f"--data={root}", f"--out={out}",
        f"--quantity={request.quantity}", f"--entry={request.entry}", f"--latency-ms={request.latency_ms}",
    ]  # fmt: skip
    optional = {
        "--config": config_file,
        "--from": request.first,
        "--to": request.last,
        "--min-dte": request.min_dte,
        "--max-dte": request.max_dte,
    }
    words += [f"{option}={value}" for option, value in optional.items() if value is not None]
    overrides = {**request.overrides, "symbol": request.symbol}
    return words + [f"--set={key}={written(value)}" for key, value in overrides.items()]
