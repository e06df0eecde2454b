"""The bundle: small, whole, from nowhere else, and with the types of the API as it stands."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import pytest
from bifrost import paths
from bifrost_monitor.routes_page import BUNDLE

ROOT = paths.repository_root()
WEB = ROOT / "services" / "monitor" / "web"
LIMIT = 300_000
sys.path.insert(0, str(ROOT / "tools" / "desk"))
import web  # noqa: E402  (a script beside the launcher, no package)

pytestmark = pytest.mark.browser
#: Addresses that stand in libraries' messages or as names, and are never asked.
NAMES = ("http://www.w3.org/", "https://react.dev/", "https://www.tradingview.com/", "https://tradingview.github.io/")


def files() -> list[Path]:
    return [path for path in BUNDLE.parent.rglob("*") if path.is_file() and path.name != ".stamp"]


def test_the_bundle_is_small() -> None:
    """All of it, every page and the font included."""
    sizes = {
        path.name: len(path.read_bytes() if path.suffix == ".woff2" else gzip.compress(path.read_bytes()))
        for path in files()
    }
    assert 50_000 < sum(sizes.values()) < LIMIT, sizes


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    """The content security policy forbids it, and the desk works on a machine without internet."""
    page = BUNDLE.read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|\bon\w+=|<script(?![^>]*\bsrc=\"/static/)", page)
    for path in files():
        if path.suffix in (".js", ".css", ".html"):
            found = set(re.findall(r"https?://[^\s\"'`)\\]+", path.read_text(encoding="utf-8")))
            assert not [address for address in found if not address.startswith(NAMES)], path.name


def test_the_types_are_those_of_the_document(tmp_path: Path) -> None:
    """`npm run types` after a change of the API."""
    made = tmp_path / "schema.d.ts"
    web.run_npm(
        web.node_folder(),
        "exec",
        "--",
        "openapi-typescript",
        str(ROOT / "tests/contract/openapi.json"),
        "-o",
        str(made),
    )
    assert made.read_text(encoding="utf-8") == (WEB / "src" / "api" / "schema.d.ts").read_text(encoding="utf-8")


def test_node_versions_that_will_do() -> None:
    """Vite needs 20.19 and later of 20, or 22.12 and later."""
    good = ("v20.19.0", "v20.20.2", "v22.12.0", "v24.1.0")
    bad = ("v18.20.4", "v20.18.9", "v21.7.0", "v22.11.0", "", "no such command")
    assert [version for version in (*good, *bad) if web.will_do(version)] == list(good)


def test_the_stamp_follows_the_sources(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.tsx").write_text("1", encoding="utf-8")
    first = web.fingerprint(tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "anything.js").write_text("1", encoding="utf-8")
    assert web.fingerprint(tmp_path) == first
    (tmp_path / "src" / "main.tsx").write_text("2", encoding="utf-8")
    assert web.fingerprint(tmp_path) != first


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text(encoding="utf-8")


def test_an_error_of_npm_is_told_in_its_words() -> None:
    with pytest.raises(web.BuildError, match="npm run no-such-script"):
        web.run_npm(web.node_folder(), "run", "no-such-script")
