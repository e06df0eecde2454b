"""``python -m bench`` lists the benches, ``python -m bench NAME [options]`` runs one.

A bench is a module of this package whose name does not begin with an underscore; it has ``main(arguments)``, and the
first line of its docstring says what stands beside what.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path


def benches() -> dict[str, str]:
    """Name and first docstring line of every bench; none is imported for that."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        found[file.stem] = about.splitlines()[0] if about else ""
    return found


def main() -> int:
    names = benches()
    if len(sys.argv) < 2:
        print("benches (make bench B=name):")
        for name, about in names.items():
            print(f"  {name:<12} {about}")
        return 0
    name = sys.argv[1]
    if name not in names:
        print(f"no bench {name!r}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"bench.{name}").main(sys.argv[2:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
