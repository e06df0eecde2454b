"""docs/invariants.md names for each sentence the tests that enforce it and the mistake that they see, both ways.

``make invariants`` writes the page from `invariants.py` and from the IDs that the tests carry in their docstrings.
"""

from __future__ import annotations

import ast
import re

from bifrost import paths

from tests.contract.invariants import INVARIANTS, Invariant
from tests.engine.planted import PLANTED
from tests.integration.test_planted_database import PLANTED as PLANTED_IN_THE_DATABASE
from tests.sim.mutants import MUTANTS

ROOT = paths.repository_root()
PAGE = ROOT / "docs" / "invariants.md"
STORIES_FILE = "tests/engine/test_failure_stories.py"
ID = re.compile(r"\bINV-[A-Z]\d+\b")
#: What hedgers are known to have done wrong: each has a test by name.
STORIES = (
    "a partial fill that moves nothing",
    "pending shares never released after a cancel",
    "a second order fired after a reject",
    "fills during 1100 never recovered",
    "orders sent into the nightly restart",
    "a phantom position closed by opening the opposite",
    "limits reset by a restart",
    "10349 taken for a cancel",
    "stale quotes at start that park it in SAFE for ever",
    "legs dropping out of the delta when spot moves 3 per cent",
    "the day counter that never rolls over",
    "NaN quotes taken for normal",
    "a forced hedge blocked by the price-move gate",
    "one bad print that sends 500 shares",
    "the operator's own shares sold",
    "assignment that turns the hedge round",
    "flatten undone by the next hedge",
    "paper fills that block reconciliation",
)


def every_invariant() -> list[Invariant]:
    return [invariant for rows in INVARIANTS.values() for invariant in rows]


def test_of(story: str) -> str:
    """The name of a story's test."""
    return "test_" + re.sub(r"[^a-z0-9]+", "_", story.lower().replace("'", ""))


test_of.__test__ = False  # type: ignore[attr-defined]


def functions() -> dict[str, ast.FunctionDef]:
    """Every test, and every check of a random life, as ``path::name``."""
    found: dict[str, ast.FunctionDef] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.name.startswith("test_") or "properties" in path.name):
                found[f"{path.relative_to(ROOT)}::{node.name}"] = node
    return found


def enforced() -> dict[str, list[str]]:
    """ID → tests that carry it in their docstring."""
    found: dict[str, list[str]] = {}
    for name, node in functions().items():
        for known in ID.findall(ast.get_docstring(node) or ""):
            found.setdefault(known, []).append(name)
    return found


def test_every_sentence_has_a_test_and_every_id_a_sentence() -> None:
    sentences = [invariant.id for invariant in every_invariant()]
    assert len(sentences) == len(set(sentences))
    assert sorted(enforced()) == sorted(sentences)


def test_every_sentence_has_a_planted_mistake_and_every_mistake_a_sentence() -> None:
    """Each is planted by tests/engine/test_planted_mistakes, tests/integration/test_planted_database or tests/sim."""
    planted = [*PLANTED, *PLANTED_IN_THE_DATABASE, *MUTANTS]
    assert len(planted) == len(set(planted))
    assert sorted(invariant.mistake for invariant in every_invariant()) == sorted(planted)


def test_every_check_of_a_random_life_stands_for_a_sentence() -> None:
    nodes = [node for name, node in functions().items() if "properties" in name]
    checks = [
        n for n in nodes if any(isinstance(d, ast.Call) and ast.unparse(d) == "invariant()" for d in n.decorator_list)
    ]
    assert checks
    assert [node.name for node in checks if not ID.search(ast.get_docstring(node) or "")] == []


def test_every_known_failure_story_has_a_test_by_its_name() -> None:
    names = {name.partition("::")[2]: node for name, node in functions().items() if name.startswith(STORIES_FILE)}
    missing = [story for story in STORIES if test_of(story) not in names]
    assert not missing, f"no test in {STORIES_FILE} for {missing}"
    assert all(ast.get_docstring(node) for node in names.values()), "a story says what others did"


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "docs/invariants.md differs: `make invariants` writes it"


def document() -> str:
    """The page."""
    tests = enforced()
    parts = [
        "# Invariants\n\n"
        "What always holds, one sentence each, with the tests that enforce it and a mistake that is planted into the\n"
        "product so that they are seen to fail. Written by `make invariants`; a test compares both ways.\n"
        "Where each sentence comes from stands in brackets: a document of the design and its section.\n"
    ]
    for area, rows in INVARIANTS.items():
        parts.append(f"\n## {area}\n\n| ID | holds | enforced by | planted mistake |\n|---|---|---|---|\n")
        for row in rows:
            enforcing = ", ".join(f"`{name}`" for name in tests.get(row.id, ()))
            parts.append(f"| {row.id} | {row.sentence} [{row.where}] | {enforcing} | {row.mistake} |\n")
    parts.append(
        "\n## Known failure stories\n\nWhat hedgers have done wrong, each told by one test.\n\n"
        "| story | test |\n|---|---|\n"
    )
    parts += [f"| {story} | `{STORIES_FILE}::{test_of(story)}` |\n" for story in STORIES]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(document(), encoding="utf-8")
