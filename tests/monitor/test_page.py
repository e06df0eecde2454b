"""The page's files: served, whole, and fit for the content security policy. No browser needed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bifrost.control import ARGUMENTS, Command
from bifrost_monitor import routes_page
from bifrost_monitor.routes_page import STATIC

from tests.monitor.conftest import Monitor

SCRIPTS = sorted(STATIC.glob("*.js"))
PAGES = sorted(STATIC.glob("*.html"))


class Elements(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: Path) -> list[tuple[str, dict[str, str | None]]]:
    return Elements(page.read_text(encoding="utf-8")).found


def test_tc_2_r_m3_1_the_page_shows_the_lamp_in_words_too() -> None:
    """TC-2-R-M3-1 (plain page): each lamp has a colour and a verdict in words, for those who see no colour."""
    script = (STATIC / "plain.js").read_text(encoding="utf-8")
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    for lamp in ("green", "yellow", "red"):
        assert f'body[data-lamp="{lamp}"] .lamp' in style
        assert re.search(rf'VERDICTS = {{[^}}]*\b{lamp}: "', script)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_inline_and_nothing_from_elsewhere(page: Path) -> None:
    """The policy forbids inline scripts and styles; the desk works on a machine without internet."""
    for tag, attributes in elements(page):
        assert tag != "style" and "style" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/"), attributes
        for name in ("src", "href"):
            assert "//" not in (attributes.get(name) or ""), attributes


@pytest.mark.parametrize("file", [*SCRIPTS, *STATIC.glob("*.css")], ids=lambda file: file.name)
def test_scripts_and_styles_ask_nobody_else(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|\beval\(|innerHTML|insertAdjacentHTML|document\.write", text)


def test_every_id_that_scripts_ask_for_is_on_the_page() -> None:
    for page, scripts in (
        ("plain.html", [s for s in SCRIPTS if s.name != "docs.js"]),
        ("docs.html", [STATIC / "docs.js"]),
    ):
        ids = [attributes["id"] for _, attributes in elements(STATIC / page) if "id" in attributes]
        assert len(ids) == len(set(ids))
        asked = {
            name for script in scripts for name in re.findall(r'byId\("([^"]+)"\)', script.read_text(encoding="utf-8"))
        }
        assert asked <= set(ids), asked - set(ids)


def test_every_control_is_a_known_command() -> None:
    commands = {
        attributes["data-command"] for _, attributes in elements(STATIC / "plain.html") if "data-command" in attributes
    }
    assert commands == {"stop", "suspend", "resume"} <= {str(command) for command in Command}


@pytest.mark.integration
def test_without_a_bundle_the_plain_page_serves(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nobody could build the control room shows the lamp all the same, and says what is missing."""
    monkeypatch.setattr(routes_page, "BUNDLE", STATIC / "nobody-built-it" / "index.html")
    page = monitor.get("/")
    assert page.status_code == 200 and 'id="lamp"' in page.text and "make web" in page.text


@pytest.mark.integration
def test_page_and_parts_are_served(monitor: Monitor) -> None:
    page = monitor.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for path in sorted(set(re.findall(r'"(/static/[^"]+)"', page.text))):
        assert monitor.get(path).status_code == 200, path
    for script in SCRIPTS:
        answer = monitor.get(f"/static/{script.name}")
        assert "javascript" in answer.headers["content-type"]
    assert monitor.get("/docs").status_code == 200
    assert monitor.get("/favicon.ico").headers["content-type"].startswith("image/svg")
    assert monitor.get("/static/..%2fapp.py").status_code == 404


@pytest.mark.integration
def test_the_api_describes_its_bodies(monitor: Monitor) -> None:
    """A client made from the document knows every argument of every command and the address form."""
    document = monitor.get("/openapi.json").json()

    def properties(path: str) -> set[str]:
        schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        models = [part["$ref"].split("/")[-1] for part in schema.get("anyOf", [schema])]
        return {name for model in models for name in document["components"]["schemas"][model].get("properties", {})}

    arguments = {name for model in ARGUMENTS.values() for name in model.model_fields}
    assert properties("/control/{command}") == arguments
    assert properties("/config/ib") == {"ib_host", "ib_port_type", "confirm"}
