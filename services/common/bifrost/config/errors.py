"""What is wrong with a configuration or a scenario, all of it at once, with file, line, key, value and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    where : str
        ``file:line``, or the variable or option that carried the value.
    key : str
        Path of the key, empty when the problem is the file itself.
    message : str
        The value and what would be right.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(ValueError):
    """The configuration cannot be used; ``problems`` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ScenarioError(ConfigError):
    """The scenario cannot be used."""


class RestartRequired(ConfigError):
    """A reload changes keys that only a restart may change; the running configuration stays."""
