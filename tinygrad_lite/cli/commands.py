"""What each command does with its arguments: it prints, and returns the exit status."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks.comparison import compare
from ..core.graph import ancestors
from ..core.shapes import Index
from ..core.value import Value
from ..derivation.derivation import derive
from ..errors import TinygradError
from ..graph.lookup import find
from ..handwritten.manual import manual_backprop
from ..paths.queries import gradient_paths
from .problems import InputError, task

__all__ = ["COMMANDS", "DIFFERENT", "OK"]

OK, DIFFERENT = 0, 1


def _weight(loss: Value, wrt: str) -> tuple[Value, Index]:
    """The weight named ``wrt``, and the element that the name means. Raises ``InputError`` for anything else."""
    name, bracket, inside = wrt.partition("[")
    value = {value.name: value for value in ancestors(loss)}.get(name)
    if bracket and value is not None:
        numbers = inside.removesuffix("]").split(",")
        inner = [int(text) if text.strip().isdecimal() else -1 for text in numbers]
        if len(inner) != value.ndim or any(not 0 <= k < n for k, n in zip(inner, value.shape, strict=True)):
            raise InputError(f"--wrt {wrt}: {name} has shape {value.shape}; give each axis a number from 0")
    weight, index = find(loss, wrt, "--wrt")
    if not weight.requires_grad:
        raise InputError(f"--wrt {wrt}: it is data and has no gradient; name a weight, as w1[0,0] or w100")
    return weight, index


def _derive(arguments: Any) -> int:
    loss = task(arguments).loss()
    _weight(loss, arguments.wrt)  # which says why, in the words of the command line
    derivation = derive(loss, arguments.wrt)
    if arguments.json:
        found = {"wrt": arguments.wrt, "text": derivation.text, "latex": derivation.latex, "python": derivation.python}
        print(_json(found | {"value": np.asarray(derivation.value)}))
    elif arguments.latex:
        print(derivation.latex)
    elif arguments.python:
        print(derivation.python)
    else:
        print(derivation.numbers if arguments.numbers else derivation.text)
    return OK


def _compare(arguments: Any) -> int:
    compared = task(arguments)
    loss = compared.loss()
    by_hand = manual_backprop(loss, compared.net)  # names cannot inject anything into its source
    comparison = compare(loss, manual=lambda: by_hand.run()[1], wrt=compared.net)
    if arguments.json:
        columns = ("autodiff", *comparison.columns)
        rows = [{"name": row.name} | {column: getattr(row, column) for column in columns} for row in comparison.rows]
        print(_json({"agree": bool(comparison), "worst": comparison.worst, "notes": comparison.notes, "rows": rows}))
    else:
        print(comparison)
    return OK if comparison else DIFFERENT


def _json(found: Any) -> str:
    """Strict JSON: arrays become lists, and a number that is not finite becomes null."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: plain(value) for key, value in x.items()}
        if isinstance(x, np.ndarray | np.generic):
            return plain(x.tolist())
        if isinstance(x, list | tuple):
            return [plain(value) for value in x]
        return None if isinstance(x, float) and not math.isfinite(x) else x

    return json.dumps(plain(found), allow_nan=False)


def _paths(arguments: Any) -> int:
    loss = task(arguments).loss()
    value, index = _weight(loss, arguments.wrt)
    if not index and value.size > 1:
        one = f"{arguments.wrt}[{','.join('0' * value.ndim)}]"
        raise InputError(f"--wrt {arguments.wrt}: it has shape {value.shape}; name one element, as --wrt {one!r}")
    found = gradient_paths(loss, arguments.wrt)
    listed = found.top(arguments.top, sign=arguments.sign)
    if arguments.json:
        names = ("count", "active_count", "total", "magnitude", "cancellation", "entropy")
        numbers = {name: getattr(found, name) for name in names}
        paths = [
            {"path": str(path), "locals": list(path.locals), "contribution": path.contribution, "length": path.length}
            for path in listed
        ]
        print(_json(numbers | {"paths": paths}))
        return OK
    print("\n".join(str(found).splitlines()[:2]))
    for path in listed:
        print(f"  {path}")
    if found.count > len(listed):
        print(f"  {found.count - len(listed)} more are not listed; --top says how many are")
    return OK


def _train(arguments: Any) -> int:
    trained = task(arguments, train=False)
    before = trained.loss().item()
    try:
        history = trained.train(arguments.lr, 5_000 if arguments.steps is None else arguments.steps, arguments.goal)
    except TinygradError as error:
        if "the cost became" not in str(error):
            raise
        print(f"tinygrad-lite: {error}", file=sys.stderr)
        return DIFFERENT
    outputs = _numbers(trained.net(trained.inputs)).reshape(trained.targets.shape)
    rose = history.cost > before
    status = OK if not rose and (arguments.goal is None or history.reached) else DIFFERENT
    if rose:
        print(
            f"tinygrad-lite: training diverged: the cost rose from {before:.6g} to {history.cost:.6g}; "
            f"try a smaller --lr than {arguments.lr:g}",
            file=sys.stderr,
        )
    if arguments.json:
        state = trained.net.state_dict()
        found = {"steps": history.steps, "cost": history.cost, "outputs": outputs, "weights": state}
        print(_json(found if arguments.goal is None else found | {"reached": history.reached}))
        return status
    print(history)
    shown = min(len(outputs), 20)
    print(f"{'inputs':24}  {'outputs':24}  targets")
    for x, y, t in zip(trained.inputs[:shown], outputs, trained.targets, strict=False):
        print(f"{_row(x):24}  {_row(y):24}  {_row(t)}")
    if shown < len(outputs):
        print(f"and {len(outputs) - shown} more samples")
    return status


def _numbers(outputs: Any) -> Any:
    if isinstance(outputs, Value):
        return np.asarray(outputs.data)
    return np.array([_numbers(one) for one in outputs])


def _row(numbers: Any) -> str:
    return " ".join(f"{x:.4g}" for x in numbers)


COMMANDS: dict[str, Callable[[Any], int]] = {"derive": _derive, "compare": _compare, "paths": _paths, "train": _train}
"""Each command by its name: it takes the parsed arguments."""
