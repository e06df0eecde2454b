"""``python -m tests.soak``: the whole desk as real processes for hours; nothing may grow. See tests/soak/rules.py."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
import yaml
from bifrost import paths

from tests.support import runs
from tests.support.desk_checks import check_the_wire, wait_for_a_hedge, wait_until_ledger_is_broker
from tests.support.desk_process import DeskProcess

from . import rules
from .watch import KEPT, RETAINED, SERVICES, Remembering, Watch

#: Old rows are made a year older and removed so often; stands for a day's retention.
RETENTION_S = 120.0
#: The link breaks so often: lines and descriptors must come back, not add up.
CUT_S = 180.0
#: How much a figure may rise; a pool of threads grows by one when two asked at once, a socket that is being opened or
#: closed is one descriptor.
SLACK = {": threads": 2.0, ": descriptors": 1.0, ": processes": 0.0, ": lines": 0.0, ": clients": 0.0}
#: Sessions of the database come and go, each a process of one thread with some forty files.
SLACK_OF_DATABASE = {": threads": 4.0, ": descriptors": 160.0, ": processes": 4.0}
_BYTES_SLACK = 256 * 1024.0


def main() -> int:
    """0 when nothing grew."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--speed", type=float, default=20.0, help="market seconds a wall second")
    parser.add_argument("--minutes", type=float, default=None, help="wall minutes; default: 8 market hours")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--seed", type=int, default=20260507, help="of the market and of the moments of cuts")
    parser.add_argument("--folder", type=Path, default=None, help="home and logs; default: a temporary one, kept")
    parser.add_argument("--no-record", action="store_true", help="leave no file in docs/runs")
    options = parser.parse_args()
    minutes = options.minutes if options.minutes is not None else 8 * 60.0 / options.speed
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bifrost-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the database's own user has to enter it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {options.seed}, {minutes:g} minutes at speed {options.speed:g}, home {folder}", flush=True)
    code = runs.code()
    with DeskProcess(folder / "home", "--scenario", str(_scenario(folder, options))) as desk:
        watch, failures, figures = _run(desk, minutes * 60.0, options)
    (folder / "series.json").write_text(json.dumps({n: [watch.at_s[n], watch.values[n]] for n in watch.values}))
    verdicts = _verdicts(watch) + failures
    if not options.no_record:
        print(f"record: {runs.append('soak', _record(watch, verdicts, figures, code, options))}")
    for sentence in verdicts:
        print(f"GROWTH: {sentence}")
    print(f"{'grown' if verdicts else 'held'}: {figures}")
    return 1 if verdicts else 0


def _scenario(folder: Path, options: argparse.Namespace) -> Path:
    """The world of `make run` at another speed."""
    default = paths.repository_root() / "config" / "scenarios" / "default.yaml"
    world = yaml.safe_load(default.read_text(encoding="utf-8")) | {"speed": options.speed, "seed": options.seed}
    file = folder / "soak.yaml"
    file.write_text(yaml.safe_dump(world), encoding="utf-8")
    return file


def _run(desk: DeskProcess, seconds: float, options: argparse.Namespace) -> tuple[Watch, list[str], dict[str, Any]]:
    view = Remembering(**vars(desk.wait_until_up(180.0)))
    wait_for_a_hedge(view, 600.0 if options.speed < 5 else 180.0)
    watch, rng = Watch(desk, view), random.Random(options.seed)
    cuts, aged, said_s = 0, 0, 0.0
    cut, age = _each(watch, CUT_S), _each(watch, RETENTION_S)
    while watch.elapsed_s < seconds:
        begun = time.monotonic()
        watch.sample()
        if next(cut):
            cuts += _tried(watch, lambda: _cut(watch, rng))
        if next(age):
            aged += _tried(watch, lambda: _retention(watch))
        if watch.elapsed_s - said_s >= 60.0:
            said_s = watch.elapsed_s
            print(f"{said_s / 60:5.1f} min: {_shown(watch)}", flush=True)
        time.sleep(max(0.0, options.every - (time.monotonic() - begun)))
    failures = _consistent(watch)
    orders = int(view.value("SELECT count(*) FROM order_intents"))
    duration_s = round(watch.elapsed_s)
    figures = {"duration_s": duration_s, "orders": orders, "link_cuts": cuts, "rows_removed_by_retention": aged}
    return watch, failures, figures | {"samples": len(watch.values["engine: threads"]), "samples_missed": watch.misses}


def _each(watch: Watch, every_s: float) -> Iterator[bool]:
    """True at the first asking after each ``every_s`` seconds."""
    due_s = every_s
    while True:
        due = watch.elapsed_s >= due_s
        due_s += every_s if due else 0.0
        yield due


def _tried(watch: Watch, act: Callable[[], int]) -> int:
    try:
        return act()
    except (httpx.HTTPError, psycopg2.Error):
        watch.misses += 1
        return 0


def _cut(watch: Watch, rng: random.Random) -> int:
    """The socket closes, or the gateway loses IB and with it every line."""
    name, body = rng.choice((("disconnect", {}), ("connectivity_lost_1100", {"duration_s": 3, "restore": "1101"})))
    httpx.post(f"{watch.view.admin}/faults/{name}", json=body, timeout=10, trust_env=False).raise_for_status()
    return 1


def _retention(watch: Watch) -> int:
    """Rows older than a few minutes are made a year older; the desk's own function removes them. Gives how many."""
    with contextlib.closing(psycopg2.connect(watch.view.dsn, connect_timeout=5)) as conn, conn, conn.cursor() as cursor:
        for table in RETAINED:
            column = "updated_at" if table == "decision_counts" else "written_at"
            cursor.execute(
                f"UPDATE {table} SET {column} = {column} - interval '400 days' "
                f"WHERE {column} < now() - interval '{RETENTION_S:g} seconds'"
            )
        cursor.execute("SELECT bifrost_retention(365, 365)")
        return int(cursor.fetchone()[0])


def _consistent(watch: Watch) -> list[str]:
    """At the end: every service is the process it was, ledger and broker agree, the wire says what the tables say."""
    wrong = [
        f"{name} was restarted: {len(watch.pids[name])} processes" for name in SERVICES if len(watch.pids[name]) != 1
    ]
    try:
        wait_until_ledger_is_broker(watch.view, 120.0)
        check_the_wire(watch.view)
    except AssertionError as error:
        wrong.append(str(error))
    return wrong


def _verdicts(watch: Watch) -> list[str]:
    found = [rules.memory_verdict(watch.series(name), _kept_mb(watch, name)) for name in watch.names(": memory MB")]
    for ending, slack in SLACK.items():
        for name in watch.names(ending):
            allowed = SLACK_OF_DATABASE.get(ending, slack) if name.startswith("postgres") else slack
            found.append(rules.level_verdict(watch.series(name), allowed))
    found += [rules.level_verdict(watch.series(f"table {t}: rows"), 50.0, 0.5) for t in RETAINED]
    orders = watch.series("table order_intents: rows")
    for name in watch.names(": bytes"):
        table = name.removeprefix("table ").removesuffix(": bytes")
        if table in KEPT:
            found.append(rules.per_order_verdict(table, watch.series(name), orders, 0.5))
        elif table != "database":
            found.append(rules.level_verdict(watch.series(name), _BYTES_SLACK, 0.5))
    return [verdict for verdict in found if verdict]


def _kept_mb(watch: Watch, name: str) -> float:
    return rules.journal_mb(watch.series("simulator: journal")) if name.startswith("simulator") else 0.0


def _shown(watch: Watch) -> str:
    last = {name: values[-1] for name, values in watch.values.items() if values}
    parts = [
        f"{s} {last.get(f'{s}: memory MB', 0):.0f} MB/{last.get(f'{s}: threads', 0):.0f} t/"
        f"{last.get(f'{s}: descriptors', 0):.0f} fd"
        for s in (*SERVICES, "postgres")
    ]
    lines, size = last.get("simulator: lines", 0), last.get("database: bytes", 0) / 1e6
    return ", ".join(parts) + f"; {lines:.0f} lines, {size:.1f} MB of database"


def _record(
    watch: Watch, verdicts: list[str], figures: dict[str, Any], code: dict[str, object], options: argparse.Namespace
) -> dict[str, Any]:
    measured = {}
    for name in watch.names(": memory MB"):
        grown, allowed = rules.memory_growth(watch.series(name), _kept_mb(watch, name))
        measured[name] = {"growth": round(grown, 2), "allowed": round(allowed, 2)}
    return {
        "run": "soak",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **code,
        "seed": options.seed,
        "machine": runs.machine(),
        "load_average": os.getloadavg(),
        "speed": options.speed,
        **figures,
        "rule": " ".join((rules.__doc__ or "").split()),
        "growth_after_warm_up": measured,
        "series": {name: _thinned(watch.series(name)) for name in sorted(watch.values)},
        "outcome": "grown" if verdicts else "held",
        "failures": verdicts,
    }


def _thinned(series: rules.Series, points: int = 13) -> dict[str, Any]:
    """First, last, least, most, and a few values in between."""
    values = list(series.values)
    step = max(1, (len(values) - 1) // (points - 1))
    return {"least": min(values), "most": max(values), "every": step, "values": values[::step]}


if __name__ == "__main__":
    assert psutil.LINUX, "descriptors and own memory are read from /proc"
    sys.exit(main())
