"""`shadow_hedgers` as the operator writes it: a policy and its numbers in one line each."""

from __future__ import annotations

import pytest
from bifrost.config import ConfigError, load_config
from bifrost.config.shadows import MOST, ShadowHedger

KEY = "shadow_hedgers"


def load(*texts: object) -> tuple[ShadowHedger, ...]:
    return load_config(None, env={}, overrides={KEY: list(texts)}).config.shadow_hedgers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fixed_band half_width_shares=50", "fixed_band half_width_shares=50"),
        ("time_based   interval_s=900.0", "time_based interval_s=900"),
        (
            "whalley_wilmott risk_aversion_per_usd=0.01",
            "whalley_wilmott risk_aversion_per_usd=0.01 cost_part=0.0001",
        ),
        ("gamma_scaled_band least_shares=5 move_pct=0.25", "gamma_scaled_band move_pct=0.25 least_shares=5"),
    ],
)
def test_a_policy_and_its_numbers(text: str, shown: str) -> None:
    (hedger,) = load(text)
    assert str(hedger) == shown and load(shown) == (hedger,)
    assert load_config(None, env={"BIFROST_SHADOW_HEDGERS": f'["{text}"]'}).config.shadow_hedgers == (hedger,)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["zakamouline 1"], "no policy is called 'zakamouline': there are fixed_band, whalley_wilmott, time_based"),
        (["fixed_band"], "fixed_band needs half_width_shares: write half_width_shares=NUMBER"),
        (["fixed_band 50"], "fixed_band takes half_width_shares=NUMBER, not '50'"),
        (["fixed_band half_width_shares=1 half_width_shares=2"], "not 'half_width_shares=2'"),
        (["time_based interval_s=soon"], "interval_s=soon is no number"),
        (["time_based interval_s=0"], "interval_s=0 must be above zero"),
        (["time_based interval_s=nan"], "interval_s=nan must be above zero"),
        ([5], "write a shadow hedger as a text such as 'time_based interval_s=900'"),
        ([""], "write a shadow hedger as a text"),
        (["time_based interval_s=900", "time_based interval_s=900.0"], "time_based interval_s=900 stands there twice"),
        (["time_based interval_s=900", "time_based interval_s=900.00001"], "interval_s=900 stands there twice"),
        (
            [f"time_based interval_s={n + 1}" for n in range(MOST + 1)],
            f"{MOST + 1} shadow hedgers are more than {MOST}",
        ),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(texts: list[object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(*texts)
    assert said in str(error.value) and KEY in str(error.value)


def test_shadows_decide_nothing_so_the_hash_of_what_decides_is_the_same() -> None:
    """A day with shadows is comparable with a day without."""
    alone = load_config(None, env={})
    watched = load_config(None, env={}, overrides={KEY: ["time_based interval_s=900"]})
    assert alone.config.shadow_hedgers == () and alone.hash == watched.hash
