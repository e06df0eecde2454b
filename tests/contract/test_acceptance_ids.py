"""docs/acceptance.md and the tests name the same acceptance IDs, both ways.

``make acceptance`` writes the page from what the tests carry.
"""

from __future__ import annotations

import ast
import re

from bifrost import paths

ROOT = paths.repository_root()
ID = re.compile(r"\bTC[-_]\d[-_](?:DOC\b|R(?:[-_][A-Z]\d[a-z]?|E[-_]\d)[-_]\d)")
#: What each required ID shows: phases 1 and 2, and of phase 3 accounts and prices.
REQUIRED = {
    "TC-1-R-M1a-1": "a snapshot follows each heartbeat and evaluation",
    "TC-1-R-M1a-2": "current state and its time can be read without a console",
    "TC-1-R-M1a-3": "the snapshot has its 14 fields",
    "TC-1-R-M4a-1": "intent, order, fill and cancel each leave a row",
    "TC-1-R-M4a-2": "a row has time, type, side, quantity, price and reason",
    "TC-1-R-M4a-3": "the rows can be read from outside",
    "TC-1-R-H1-1": "current view and history are both kept",
    "TC-1-R-H1-2": "history is read without changing the writer",
    "TC-1-R-H1-3": "the sink is configurable",
    "TC-1-R-C1a-1": "SIGTERM and SIGINT end the engine within seconds, no order after",
    "TC-1-R-C1a-2": "the control table stops it as a control file was to do",
    "TC-2-R-M1b-1": "GET /status exists",
    "TC-2-R-M1b-2": "GET /status carries the running state",
    "TC-2-R-M2-1": "the self-check names its reasons",
    "TC-2-R-M3-1": "the lamp maps one to one",
    "TC-2-R-M4b-1": "GET /operations filters by time and type",
    "TC-2-R-M4b-2": "GET /operations lists what changed positions",
    "TC-2-R-C1b-1": "POST stop ends the engine",
    "TC-2-DOC": "a fresh machine by the README alone",
    "TC-3-R-A1-1": "account summary of every managed account",
    "TC-3-R-A1-2": "positions usable for hedging",
    "TC-3-R-A1-3": "accounts keep updating; defined on disconnect",
    "TC-3-R-M6-1": "spot reaches status_current",
    "TC-3-R-M6-2": "GET /status carries spot and prices",
    "TC-3-R-M6-3": "the page joins positions with prices, P&L and moneyness",
    "TC-3-R-H2-1": "statistics from history, offline",
}


def ids_in(text: str) -> set[str]:
    """The IDs as product.md writes them."""
    return {found.replace("_", "-") for found in ID.findall(text)}


def collected() -> dict[str, set[str]]:
    """ID → tests that carry it in their name or docstring, as ``path::name``."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for name in ids_in(f"{node.name}\n{ast.get_docstring(node) or ''}"):
                    found.setdefault(name, set()).add(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def listed() -> dict[str, set[str]]:
    """ID → tests of the table in docs/acceptance.md."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) >= 4 and ID.fullmatch(cells[1]):
            found[cells[1]] = set(re.findall(r"`(tests/[^`]+)`", line))
    return found


def test_every_required_id_has_a_test() -> None:
    missing = sorted(set(REQUIRED) - set(collected()))
    assert not missing, f"no test carries {missing}"


def test_the_list_names_what_is_collected_and_nothing_else() -> None:
    assert listed() == collected(), "docs/acceptance.md differs from the tests: `make acceptance` writes it"


def document() -> str:
    """The page."""
    head = (
        "# Acceptance tests\n\n"
        "Each ID of the requirements stands in the name or the docstring of the tests that show it.\n"
        "Written by `make acceptance`; a test compares both ways.\n\n"
        "| ID | shows | tests |\n|---|---|---|\n"
    )
    rows = (
        f"| {name} | {REQUIRED.get(name, 'of our own')} | {', '.join(f'`{test}`' for test in sorted(tests))} |\n"
        for name, tests in sorted(collected().items())
    )
    return head + "".join(rows)


if __name__ == "__main__":
    (ROOT / "docs" / "acceptance.md").write_text(document(), encoding="utf-8")
