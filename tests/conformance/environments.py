"""The Python environments of the client libraries, and what to say when one is missing."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIRE_ALL = "BIFROST_REQUIRE_ALL"
#: Read before a fixture removes the shell's BIFROST_ variables.
_ALL_REQUIRED = os.environ.get(REQUIRE_ALL) == "1"


@cache
def python_of(library: str) -> Path:
    """The interpreter that has ``library``: this one for ib_insync, else that of ``make client-envs``.

    Skips the test when there is none, or fails it under BIFROST_REQUIRE_ALL=1.
    """
    if library == "ib_insync":
        return Path(sys.executable)
    found = ROOT / f".venv-{library}" / "bin" / "python"
    if (found.parents[1] / ".bifrost-stamp").is_file():
        return found
    words = f"the environment of {library} is missing or unfinished: make client-envs"
    if _ALL_REQUIRED:
        pytest.fail(words)
    pytest.skip(words)


def environment() -> dict[str, str]:
    """What a client library's process sees of the shell."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
