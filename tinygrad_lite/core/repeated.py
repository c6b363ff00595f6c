"""Parts that an expression repeats, computed once.

A derivative says ``sigmoid(x)`` where it means it, twice if need be.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

__all__ = ["once"]


def once(source: str) -> str:
    """Source in which a part that is there several times is computed once.

    >>> once("(1 - x) * exp(1 - x)")
    '(t0 := (1 - x)) * exp(t0)'
    """
    tree = ast.parse(source, mode="eval")
    times: Counter[str] = Counter()
    waiting: list[ast.AST] = [tree]
    while waiting:  # not into a part that was met before: it will be a name there
        part = waiting.pop()
        key = ast.dump(part)
        times[key] += isinstance(part, ast.BinOp | ast.Call | ast.Compare)
        if times[key] < 2:
            waiting += ast.iter_child_nodes(part)
    names = {key: "" for key, count in times.items() if count > 1}
    if not names:
        return source

    class Naming(ast.NodeTransformer):
        def visit(self, part: ast.AST) -> Any:
            key = ast.dump(part)
            if names.get(key):
                return ast.Name(names[key], ast.Load())
            node: Any = self.generic_visit(part)
            if key in names:  # in the order in which Python evaluates the parts
                names[key] = f"t{len([name for name in names.values() if name])}"
                return ast.NamedExpr(ast.Name(names[key], ast.Store()), node)
            return node

    return ast.unparse(ast.fix_missing_locations(Naming().visit(tree)))
