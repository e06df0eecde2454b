"""Rules of the house that no linter knows: where SQL and orders stand, length of files, what never enters the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bifrost import paths

ROOT = paths.repository_root()
MAX_LINES = 420
#: Data and what machines wrote.
GENERATED = (".lock", ".zip", ".png", ".json")


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, as they are on disk."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources(folder: str) -> list[Path]:
    return [path for path in tracked(folder) if path.suffix == ".py"]


def code_words(path: Path) -> str:
    """The source without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return ast.unparse(tree)


def test_orders_stand_in_the_engines_ib_adapter_alone() -> None:
    """`placeOrder` anywhere else would be a second way to the market. INV-O14."""
    home = "services/engine/bifrost_engine/adapters/ib/"
    for path in sources("services"):
        name = shown(path)
        if name.startswith((home, "services/simulator/")):
            continue  # the simulator is the other side of the wire
        assert "placeOrder" not in code_words(path), f"{name} names placeOrder; orders stand in {home}"


SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|SELECT\s+(pg_|set_config|to_regclass|nullif)|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|"
    r"CREATE\s+(TABLE|ROLE)|ALTER\s+(TABLE|ROLE)|LISTEN\s+\w)",
    re.DOTALL,
)
SQL_PLACES = (
    "services/common/bifrost/db/",
    "services/engine/bifrost_engine/adapters/postgres/",
    "services/pricer/bifrost_pricer/adapters/postgres.py",
    "services/monitor/bifrost_monitor/queries",
)
#: The launcher makes the database before there is anybody to ask: one statement.
SQL_EXCEPTIONS = ("tools/desk/bifrost_desk/database.py",)


def test_sql_stands_where_the_architecture_puts_it() -> None:
    for path in sources("services") + sources("tools"):
        name = shown(path)
        if name.startswith(SQL_PLACES) or name in SQL_EXCEPTIONS:
            continue
        found = SQL.search(code_words(path))
        assert found is None, f"{name} holds SQL: {found.group(0)[:60]!r}"


def test_files_stay_readable_in_one_sitting() -> None:
    """Tables of wire messages and golden frames are data in the shape of code."""
    long_by_nature = {
        "services/monitor/web/src/api/schema.d.ts",
        "db/init.sql",
        "db/migrations/0002_desk.sql",
        "tests/simulator/test_wire_golden.py",
    }
    too_long = {}
    for path in tracked("services", "tools", "tests", "bench", "db", "config"):
        if path.suffix in GENERATED or shown(path) in long_by_nature or not path.suffix:
            continue
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines >= MAX_LINES:
            too_long[shown(path)] = lines
    assert not too_long, f"longer than {MAX_LINES} lines: {too_long}"


def _secret_shaped() -> tuple[tuple[str, re.Pattern[str]], ...]:
    # Put together here, so that this file does not hold what it looks for.
    folders = "|".join(("work", "root", "opt/wheels", "opt/pypi"))
    return (
        ("a path of one machine", re.compile(rf"(?<![\w./~-])/({folders})/")),
        ("a path of somebody's home", re.compile(r"(?<![\w./~-])/(home|Users)/[a-z]\w*/")),
        (
            "an index or registry address",
            re.compile("index-" + "url|find-" + "links|registry" + r"\.npmjs|pypi\." + "org"),
        ),
        ("a private key", re.compile("-----BEGIN " + "[A-Z ]*PRIVATE KEY")),
    )


def test_the_tree_holds_no_machine_path_registry_host_or_secret() -> None:
    for path in tracked():
        if path.suffix in (".zip", ".png"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for what, pattern in _secret_shaped():
            found = pattern.search(text)
            assert found is None, f"{shown(path)} holds {what}: {found.group(0)!r}"


def test_locks_are_hashed() -> None:
    """Every pinned line is followed by its hashes."""
    locks = tracked("requirements/*.lock")
    assert {path.stem for path in locks} >= {"runtime", "dev", "ib_async", "ibapi"}
    for path in locks:
        text = path.read_text(encoding="utf-8")
        pins = re.findall(r"^[a-zA-Z0-9_.\[\]-]+==\S+(?: ;[^\\]*)?(.*)$", text, re.MULTILINE)
        assert pins and all(rest.strip() == "\\" for rest in pins), shown(path)
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_library_has_its_reason() -> None:
    """Each line of requirements/*.in is named in docs/decisions."""
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8").lower()
    for path in tracked("requirements/*.in"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name = re.match(r"[A-Za-z0-9_.-]+", line)
            if name and not line.startswith("-"):
                assert f"`{name.group(0).lower()}`" in reasons, f"{name.group(0)} ({shown(path)}) has no reason"


def _targets() -> dict[str, str]:
    """Make targets with their line of help."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):[^\n#=]*(?:## ?(.*))?$", text, re.MULTILINE))


def test_every_make_target_has_help_and_is_a_command() -> None:
    targets = _targets()
    assert set(targets) >= {"run", "up", "down", "ps", "logs", "token", "reset", "test", "lint"}
    assert [name for name, help_text in targets.items() if not help_text] == []
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = subprocess.run(["make", "-pn"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    phony = re.search(r"^\.PHONY: (.*)$", known, re.MULTILINE)
    assert phony is not None
    assert sorted(phony.group(1).split()) == sorted(targets)
    assert all(f"make {name}" in listed and help_text in listed for name, help_text in targets.items())


@pytest.mark.parametrize("document", ["README.md", "docs/runbook.md", "docs/architecture.md"])
def test_commands_and_files_named_in_the_documents_exist(document: str) -> None:
    """TC-2-DOC: what the README tells a newcomer to type and to open is there."""
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = _targets()
    for name in re.findall(r"\bmake ([a-z-]+)", text):
        assert name in targets, f"{document} names `make {name}`"
    for name in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / document).parent / name).exists(), f"{document} links {name}"
    for name in re.findall(r"`((?:config|docs|services|tests|db|requirements)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{document} names {name}"
    for name in re.findall(r"`(bifrost (?:[a-z-]+ ?)+)", text):
        words = name.split()[1:]
        said = subprocess.run(
            [sys.executable, "-m", "bifrost.cli", *words, "--help"], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, f"{document} names `{name.strip()}`"


COMPOSE_FILES = ("docker-compose.yml", "docker-compose.ib.yml")
#: architecture.md: not known to Compose 1.29, v2, the classic builder or BuildKit alike.
FORBIDDEN_IN_COMPOSE = (r"^name:", r"^include:", r"\$\{[A-Z_]+:?\+", r"start_interval", r"!reset", r"docker\.sock")
FORBIDDEN_IN_DOCKERFILES = (r"RUN --mount", r"<<-?['\"]?[A-Z]", r"COPY --link")


def test_containers_use_only_what_every_compose_and_builder_knows() -> None:
    for name in COMPOSE_FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for pattern in FORBIDDEN_IN_COMPOSE:
            assert not re.search(pattern, text, re.MULTILINE), f"{name} uses {pattern}"
    dockerfiles = tracked("services/*/Dockerfile")
    assert len(dockerfiles) == 4
    for path in dockerfiles:
        for pattern in FORBIDDEN_IN_DOCKERFILES:
            assert not re.search(pattern, path.read_text(encoding="utf-8")), f"{shown(path)} uses {pattern}"


def test_images_share_their_first_layers() -> None:
    """Up to the service's own code the Dockerfiles are the same, so that the libraries are installed once."""
    heads = {
        path.read_text(encoding="utf-8").split("FROM python:", 1)[1].split(f"COPY services/{path.parent.name} ")[0]
        for path in tracked("services/*/Dockerfile")
    }
    assert len(heads) == 1


def test_the_stack_is_healthy_by_checks_local_and_waits_for_the_schema() -> None:
    """Health checks on all, ports on loopback, nothing depends on the simulator, nobody mounts Docker's socket."""
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    running = {"postgres", "simulator", "engine", "pricer", "monitor", "backtest"}
    assert set(stack) == running | {"secrets", "migrate"}
    assert stack["postgres"]["image"] == "postgres:18"
    for name, service in stack.items():
        assert "simulator" not in service.get("depends_on", {}), f"{name} depends on the simulator"
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert ("healthcheck" in service) == (name in running), name
    for name in ("engine", "pricer", "monitor"):
        assert stack[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert stack[name]["restart"] == "on-failure"
        assert stack[name]["environment"]["PGUSER"] == f"bifrost_{name}"
    assert stack["backtest"]["environment"]["PGUSER"] == "bifrost_engine"


def test_no_test_is_named_after_an_address_in_memory(request: pytest.FixtureRequest) -> None:
    """Workers must collect the same names: a parameter shown as ``<function ... at 0x7f...>`` stops the whole run."""
    named = [item.nodeid for item in request.session.items if re.search(r"\b0x[0-9a-f]{8,}", item.nodeid)]
    assert not named, f"give these parameters ids: {named}"
