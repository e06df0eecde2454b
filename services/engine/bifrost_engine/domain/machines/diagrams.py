"""Draws the machines from their tables: ``python -m bifrost_engine.domain.machines.diagrams docs/machines.md``.

A test compares the file with the tables, so that a picture never tells another story than the code.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from .daemon import DAEMON_MACHINE
from .hedge import HEDGE_MACHINE
from .table import Machine
from .trading import TRADING_MACHINE

MACHINES: tuple[Machine[Any, Any], ...] = (DAEMON_MACHINE, TRADING_MACHINE, HEDGE_MACHINE)


def diagram(machine: Machine[Any, Any]) -> str:
    """A Mermaid state diagram: one arrow per pair of states, labelled with the events that take it."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, event), target in machine.rows.items():
        arrows[str(state), str(target)].append(str(event))
    lines = [f"    {start} --> {end}: {', '.join(events)}" for (start, end), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def document() -> str:
    """The whole page."""
    head = (
        "# State machines\n\n"
        "Drawn by `make diagrams` from the tables in `services/engine/bifrost_engine/domain/machines`; do not edit.\n"
        "An event without an arrow is either listed as ignored beside its table, or raises.\n"
    )
    parts = [f"## {machine.name}\n\n{(diagram(machine))}\n" for machine in MACHINES]
    return head + "\n" + "\n".join(parts)


def main() -> int:
    """Write the page to the path given."""
    if len(sys.argv) != 2:
        print("usage: python -m bifrost_engine.domain.machines.diagrams FILE", file=sys.stderr)  # noqa: T201
        return 2
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
