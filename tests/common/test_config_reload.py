"""Hot reload: the whole configuration or none of it, and never from paper to live."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bifrost.config import ConfigError, RestartRequired, config_from, diff, load_config, reload, restart_required


def test_reload_takes_a_good_change_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("gates: {state: {delta: {epsilon_band: 5}}}\n")
    running = load_config(file, env={}, overrides={"order.pay_up_ticks": 2})
    file.write_text("gates: {state: {delta: {epsilon_band: 6}}}\n")
    changed = reload(running, env={})
    assert [str(change) for change in diff(running.config, changed.config)] == [
        "gates.state.delta.epsilon_band: 5.0 → 6.0"
    ]
    assert changed.config.order.pay_up_ticks == 2 and changed.hash != running.hash


def test_reload_keeps_the_old_one_when_the_new_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("symbol: NVDA\n")
    running = load_config(file, env={})
    file.write_text("gates: {state: {delta: {epsilon_band: 600}}}\n")
    with pytest.raises(ConfigError, match="must be below"):
        reload(running, env={})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gates: {guard: {risk: {paper_trade: false}}}", "gates.guard.risk.paper_trade"),
        ("gates: {guard: {risk: {allow_live: true}}}", "gates.guard.risk.allow_live"),
        ("symbol: TWX", "symbol"),
        ("ib: {account: U1}", "ib.account"),
        ("status: {postgres: {host: other}}", "status.postgres.host"),
    ],
)
def test_some_keys_need_a_restart(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("symbol: NVDA\n")
    running = load_config(file, env={})
    file.write_text(text + "\n")
    with pytest.raises(RestartRequired, match="needs a restart") as caught:
        reload(running, env={})
    assert [problem.key for problem in caught.value.problems] == [key]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{paper_trade: true}", "{paper_trade: false}"),
        ("{paper_trade: true}", "{paper_trade: false, allow_live: true}"),
        ("{paper_trade: false}", "{paper_trade: true}"),
        ("{paper_trade: false, allow_live: false}", "{paper_trade: false, allow_live: true}"),
        ("{paper_trade: true}", "{allow_live: true}"),
        ("{paper_trade: true}", "{max_position_shares: 100, paper_trade: false}"),
    ],
)
@pytest.mark.parametrize("by", ["file", "environment"])
def test_no_reload_turns_paper_into_live_or_back(tmp_path: Path, before: str, after: str, by: str) -> None:
    """Not by the file, not by a variable that another shell has set meanwhile, not beside other keys. INV-K6."""
    file = tmp_path / "c.yaml"
    file.write_text(f"gates: {{guard: {{risk: {before}}}}}\n")
    running = load_config(file, env={})
    changed = yaml.safe_load(after)
    env = {f"BIFROST_GATES__GUARD__RISK__{key.upper()}": str(value).lower() for key, value in changed.items()}
    if by == "file":
        file.write_text(f"gates: {{guard: {{risk: {after}}}}}\n")
        env = {}
    with pytest.raises(RestartRequired):
        reload(running, env=env)


def test_diff_never_shows_a_password() -> None:
    before = config_from({"status": {"postgres": {"password": "alpha-secret"}}})
    after = config_from({"status": {"postgres": {"password": "beta-secret"}}})
    (change,) = restart_required(before, after)
    assert change.key == "status.postgres.password" and "secret" not in str(change)
