"""A mutant in the place of what it mutates, in a process of its own, and tests that are called without ceremony.

The whole engine is loaded once and forked for each mutant: nothing is imported or written again. Functions keep their
identity and get the mutant's code, so that every table and every module that holds them runs the mutant.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from enum import EnumMeta
from typing import Any

from .mutants import Mutant

LIMIT_S = 300
Case = Callable[[], object]


def cases_of(names: Sequence[str]) -> list[Case]:
    """The tests of modules, one call for each set of parameters. Tests that ask for fixtures are left to pytest."""
    return [case for name in names for case in _cases(importlib.import_module(name))]


def _cases(module: types.ModuleType) -> Iterator[Case]:
    for name, test in vars(module).items():
        if not name.startswith("test_") or not inspect.isfunction(test) or test.__module__ != module.__name__:
            continue
        sets = [_sets(mark) for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
        for chosen in itertools.product(*sets):
            arguments = {key: value for part in chosen for key, value in part.items()}
            plain = getattr(test, "hypothesis", None) is not None
            if plain or set(inspect.signature(test).parameters) <= arguments.keys():
                yield lambda test=test, arguments=arguments: test(**arguments)  # type: ignore[misc]


def _sets(mark: Any) -> list[dict[str, Any]]:
    names, values = mark.args[:2]
    keys = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    return [dict(zip(keys, value if len(keys) > 1 else (value,), strict=True)) for value in values]


def plant(mutant: Mutant) -> None:
    """Let the mutant take the place of its module, in this process."""
    module = importlib.import_module(mutant.module)
    fresh: dict[str, Any] = {
        "__name__": mutant.module,
        "__package__": mutant.module if mutant.path.name == "__init__.py" else mutant.module.rpartition(".")[0],
        "__file__": str(mutant.path),
    }
    words = {name: value for name, value in vars(module).items() if isinstance(value, EnumMeta)}
    fresh |= words
    tree = ast.Module([n for n in mutant.tree.body if not (isinstance(n, ast.ClassDef) and n.name in words)], [])
    exec(compile(tree, str(mutant.path), "exec"), fresh)
    for name, new in fresh.items():
        old = vars(module).get(name)
        if name.startswith("__") or old is new:
            continue
        if inspect.isfunction(old) and old.__module__ == mutant.module:
            _take_over(old, new)
        elif inspect.isclass(old) and old.__module__ == mutant.module:
            for part, method in vars(new).items():
                if inspect.isfunction(method):
                    _take_over(vars(old)[part], method)
        elif type(old).__module__.startswith("bifrost_engine"):
            vars(old).update(vars(new))
        elif not inspect.isfunction(old) and not inspect.isclass(old):
            _put_everywhere(old, new)


def _take_over(old: types.FunctionType, new: types.FunctionType) -> None:
    old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _put_everywhere(old: object, new: object) -> None:
    """A table or a number, also where another module has imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("bifrost_engine", "tests.engine")):
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)


def seen_by(mutant: Mutant | None, cases: Sequence[Case]) -> str:
    """`killed`, `timeout` or `survived`: what the tests say of the mutant, in a child of this process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if mutant is not None:
                plant(mutant)
            for case in cases:
                case()
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"
