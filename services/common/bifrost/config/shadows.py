"""Shadow hedgers as the configuration names them: a policy and its parameters in one line of text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

#: Policy → its parameters, each with a default or None where it must be given. All are above zero.
POLICIES: Mapping[str, Mapping[str, float | None]] = {
    "fixed_band": {"half_width_shares": None},
    "whalley_wilmott": {"risk_aversion_per_usd": None, "cost_part": 0.0001},
    "time_based": {"interval_s": None},
    "gamma_scaled_band": {"move_pct": None, "least_shares": 10.0},
}
#: The trading loop carries them: more are a study, which a backtest does better.
MOST = 16


@dataclass(frozen=True, slots=True)
class ShadowHedger:
    """A policy with every parameter, written ``time_based interval_s=900``."""

    policy: str
    parameters: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, text: str) -> ShadowHedger:
        name, *given = text.split()
        if name not in POLICIES:
            raise ValueError(f"no policy is called {name!r}: there are {', '.join(POLICIES)}")
        known = POLICIES[name]
        values = {key: value for key, value in known.items() if value is not None}
        seen: set[str] = set()
        for part in given:
            key, equals, number = part.partition("=")
            if key not in known or not equals or key in seen:
                raise ValueError(f"{name} takes {_example(name)}, not {part!r}")
            seen.add(key)
            values[key] = _above_zero(key, number)
        missing = [key for key in known if key not in values]
        if missing:
            raise ValueError(f"{name} needs {', '.join(missing)}: write {_example(name)}")
        return cls(name, tuple((key, values[key]) for key in known))

    def __str__(self) -> str:
        return " ".join((self.policy, *(f"{key}={value:g}" for key, value in self.parameters)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema(min_length=1)),
            python_schema=core_schema.no_info_plain_validator_function(_validate),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def different(hedgers: tuple[ShadowHedger, ...]) -> tuple[ShadowHedger, ...]:
    """Raises ValueError for the same one twice, or for too many. Books are kept by what is written: six digits."""
    written = [str(hedger) for hedger in hedgers]
    if len(set(written)) < len(written):
        twice = next(text for text in written if written.count(text) > 1)
        raise ValueError(f"{twice} stands there twice")
    if len(hedgers) > MOST:
        raise ValueError(f"{len(hedgers)} shadow hedgers are more than {MOST}")
    return hedgers


def _example(name: str) -> str:
    return " ".join(f"{key}=NUMBER" for key in POLICIES[name])


def _above_zero(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{key}={text} is no number") from None
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{key}={text} must be above zero")
    return value


def _validate(value: object) -> ShadowHedger:
    if isinstance(value, ShadowHedger):
        return value
    if isinstance(value, str) and value.strip():
        return ShadowHedger.parse(value)
    raise ValueError("write a shadow hedger as a text such as 'time_based interval_s=900'")
