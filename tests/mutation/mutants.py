"""Every small mistake that could be made in the rules: one changed comparison, number, word or row at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bifrost import paths

DOMAIN = "services/engine/bifrost_engine/domain"
#: What decides: every gate, the machines' tables, sizes, prices, dimensions and the comparison that all of them use.
TARGETS = (
    "gates/*.py",
    "machines/daemon.py",
    "machines/hedge.py",
    "machines/table.py",
    "machines/trading.py",
    "dimensions.py",
    "execution/limits.py",
    "execution/repricing.py",
    "execution/sizing.py",
)
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OTHER_NAME = {"min": "max", "max": "min", "all": "any", "any": "all", "at_least": "above", "above": "at_least"}
_OTHER_ATTRIBUTE = {"PACING": "BLOCKING", "BLOCKING": "PACING"}

_TYPES = frozenset({"Callable", "Generic", "Iterable", "Machine", "dict", "list", "set", "tuple"})


@dataclass(frozen=True)
class Mutant:
    """One changed place of one module."""

    module: str
    path: Path
    line: int
    name: str
    """Module, function, source before and after, and which of equal ones: the same after lines have moved."""
    tree: ast.Module


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of each module that is mutated."""
    root = paths.repository_root() / DOMAIN
    for pattern in TARGETS:
        for path in sorted(root.glob(pattern)):
            parts = path.relative_to(root.parents[1]).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__").removeprefix("engine."), path


def mutants_of(module: str, path: Path) -> Iterator[Mutant]:
    """Each mutant of a file, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for place, (node, function) in enumerate(_places(tree)):
        for option, (label, changed) in enumerate(_changes(node)):
            what = label or f"{_one_line(node)} -> {_one_line(changed)}"
            name = f"{module.removeprefix('bifrost_engine.domain.')}:{function}: {what}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name = f"{name} #{seen[name]}"
            whole = _replaced(tree, place, option)
            yield Mutant(module, path, getattr(node, "lineno", 0), name, whole)


def _one_line(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())


def _places(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """Every node that may be changed, with the function it stands in. Words that are only read are left alone."""
    found: list[tuple[ast.AST, str]] = []

    def walk(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.arg) or _only_words(node):
            return
        if isinstance(node, ast.FunctionDef):
            function = node.name
        found.append((node, function))
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list", "ctx", "op", "ops", "type_params"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.Tuple) and _bound(node, field):
                    for element in child.elts:
                        walk(element, function)
                elif isinstance(child, ast.AST):
                    walk(child, function)

    walk(tree, "")
    return found


def _bound(node: ast.AST, field: str) -> bool:
    """The sides of ``a, b = c, d`` and the key of a comprehension cannot lose an element."""
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Tuple)
    return isinstance(node, ast.GeneratorExp | ast.SetComp | ast.ListComp | ast.DictComp) and field in {"elt", "key"}


def _only_words(node: ast.AST) -> bool:
    """An enumeration, or a type: nothing that decides."""
    if isinstance(node, ast.ClassDef):
        return any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in node.bases)
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _TYPES


Change = tuple[str, ast.AST]
"""What is changed in words (empty: the source before and after says it), and what stands there then."""


def _changes(node: ast.AST) -> Iterator[Change]:
    """What may stand in the place of ``node``."""
    match node:
        case ast.Compare():
            for index, op in enumerate(node.ops):
                for other in _COMPARISONS[type(op)]:
                    ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                    yield "", ast.Compare(node.left, ops, node.comparators)
        case ast.BoolOp(op=op):
            yield "", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), node.values)
            for index in range(len(node.values)):
                rest = [*node.values[:index], *node.values[index + 1 :]]
                yield "", ast.BoolOp(op, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "", node.operand
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield "", ast.BinOp(node.left, _ARITHMETIC[type(op)](), node.right)
        case ast.If():
            yield (
                f"if {_one_line(node.test)}: negated",
                ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse),
            )
        case ast.IfExp():
            yield "", ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant(value=bool(value)):
            yield "", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "", ast.Constant(value + 1)
            if value:
                yield "", ast.Constant(-value)
        case ast.Name(id=name) if name in _OTHER_NAME:
            yield "", ast.Name(_OTHER_NAME[name], ast.Load())
        case ast.Attribute(attr=attr) if attr in _OTHER_ATTRIBUTE:
            yield "", ast.Attribute(node.value, _OTHER_ATTRIBUTE[attr], ast.Load())
        case ast.Call():
            yield from _calls(node)
        case ast.Dict():
            yield from _rows(node)
        case ast.Tuple() | ast.Set() | ast.List() if len(node.elts) > 1 and not _travels_together(node):
            yield from _fewer(node)


def _calls(node: ast.Call) -> Iterator[Change]:
    """abs and round taken away; a keyword left out."""
    if isinstance(node.func, ast.Name) and node.func.id in {"abs", "round", "sorted"}:
        yield "", node.args[0]
    for index, keyword in enumerate(node.keywords):
        if keyword.arg in {"kind", "remaining_s"}:
            rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield f"{_one_line(node.func)}(...) without {keyword.arg}", ast.Call(node.func, node.args, rest)


def _rows(node: ast.Dict) -> Iterator[Change]:
    """A row of a table left out, or leading to where another row leads."""
    keys, values = node.keys, node.values
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        row = _one_line(key) if key is not None else f"**{_one_line(value)}"
        rest = ast.Dict([*keys[:index], *keys[index + 1 :]], [*values[:index], *values[index + 1 :]])
        yield f"row {row} left out", rest
        others = (v for v in values[index + 1 :] + values[:index] if isinstance(v, ast.Attribute))
        other = next((v for v in others if ast.dump(v) != ast.dump(value)), None)
        if key is not None and other is not None:
            changed = ast.Dict(keys, [*values[:index], other, *values[index + 1 :]])
            yield f"row {row} leads to {_one_line(other)}", changed


def _travels_together(node: ast.Tuple | ast.Set | ast.List) -> bool:
    """A key of a table, or the two sides of an assignment."""
    if not isinstance(node, ast.Tuple):
        return False
    words = all(isinstance(e, ast.Attribute | ast.Name) for e in node.elts)
    pair_of_words = len(node.elts) == 2 and words and any(isinstance(e, ast.Attribute) for e in node.elts)
    return not isinstance(node.ctx, ast.Load) or pair_of_words


def _fewer(node: ast.Tuple | ast.Set | ast.List) -> Iterator[Change]:
    for index, element in enumerate(node.elts):
        rest = [*node.elts[:index], *node.elts[index + 1 :]]
        fewer = ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())
        yield f"{_one_line(element)} left out of {len(node.elts)}", fewer


def _replaced(tree: ast.Module, place: int, option: int) -> ast.Module:
    """A copy of ``tree`` with the ``option``-th change at the ``place``-th node."""
    whole = copy.deepcopy(tree)
    target = _places(whole)[place][0]
    changed = list(_changes(target))[option][1]
    for parent in ast.walk(whole):
        for field, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, field, changed)
                return ast.fix_missing_locations(whole)
            if isinstance(value, list):
                for index, child in enumerate(value):
                    if child is target:
                        value[index] = changed
                        return ast.fix_missing_locations(whole)
    raise ValueError(f"node {place} stands nowhere in its own tree")
