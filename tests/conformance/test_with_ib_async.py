"""The gateway's wire tests and the desk's IB adapter, once more in the environment that has ib_async for ib_insync.

Among them are the golden frames: every message at every server version up to 178, read by ib_async's own decoder.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conformance.environments import ROOT, environment, python_of

pytestmark = pytest.mark.integration

#: What imports an IB library, under its own name or by the adapter.
FILES = tuple(
    str(path.relative_to(ROOT))
    for pattern in ("tests/simulator/test_wire_*.py", "tests/common/test_ib_*.py")
    for path in sorted(ROOT.glob(pattern))
    if "wire_ib" in path.read_text(encoding="utf-8") or "bifrost.ib" in path.read_text(encoding="utf-8")
)
LIMIT_S = 280


@dataclass
class Report:
    """What pytest said in the other environment."""

    passed: dict[str, int]
    others: dict[str, list[str]]
    output: str


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All files in one run; its result is read from the JUnit file."""
    python = python_of("ib_async")
    junit: Path = tmp_path_factory.mktemp("ib_async") / "junit.xml"
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", *FILES]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=LIMIT_S)
    output = done.stdout[-4000:] + done.stderr[-2000:]
    assert junit.is_file(), output
    passed: dict[str, int] = dict.fromkeys(FILES, 0)
    others: dict[str, list[str]] = {file: [] for file in FILES}
    for case in ElementTree.parse(junit).iter("testcase"):
        file = case.get("classname", "").split(".Test")[0].replace(".", "/") + ".py"
        if len(case):
            others[file].append(f"{case.get('name')}: {case[0].tag} {case[0].get('message', '')[:400]}")
        else:
            passed[file] += 1
    return Report(passed, others, output)


@pytest.mark.timeout(LIMIT_S + 20)
@pytest.mark.parametrize("file", FILES)
def test_the_same_tests_pass_with_ib_async(report: Report, file: str) -> None:
    assert report.others[file] == []
    assert report.passed[file] > 0, report.output


def test_the_golden_frames_reach_the_newest_version() -> None:
    """The decoder of that environment really is the one of 178; else the golden frames prove less than they say."""
    code = "from tests.simulator import wire_golden_samples as s, wire_ib; print(wire_ib.LIBRARY, s.VERSIONS[-1])"
    command = [str(python_of("ib_async")), "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["ib_async", "178"], done.stderr
