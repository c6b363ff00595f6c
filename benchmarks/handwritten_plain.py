"""The programs of ``plain`` with NumPy alone, as an expert writes them.

With ``buffers`` everything is preallocated, as in ``handwritten_buffers``; without them each array is new, as in
``handwritten``. Each object takes its parameters' arrays and changes them in ``step``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Cubes", "Convolutional", "LogisticRegression", "Network", "ManyClasses"]

Array = npt.NDArray[Any]

SLOPE, CUBIC = 1.5957691216057308, 0.07135481627260025  # 2 √(2/π), and that times 0.044715


class _ByHand:
    """Arrays by name: from the first use on if there are buffers, else ``None``, so that NumPy makes a new one."""

    def __init__(self, parameters: Sequence[Array], buffers: bool) -> None:
        self.parameters, self.buffers = parameters, buffers
        self._places: dict[Any, Array] = {}
        self.dtype = parameters[0].dtype
        self.gradients: list[Array] = [np.empty_like(p) for p in parameters]

    def place(self, name: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The buffer of this name, or ``None``."""
        if not self.buffers:
            return None
        if name not in self._places:
            self._places[name] = np.empty(shape, dtype or self.dtype)
        return self._places[name]

    def spare(self, k: int) -> Any:
        """The memory for gradient ``k``."""
        return self.gradients[k] if self.buffers else None

    def cost(self, x: Any, t: Any) -> float:
        """The loss; its gradients are in ``gradients`` then."""
        raise NotImplementedError

    def step(self, x: Any, t: Any, lr: float) -> float:
        """One step of gradient descent; returns the loss before it."""
        cost = self.cost(x, t)
        for p, g in zip(self.parameters, self.gradients, strict=True):
            np.multiply(g, lr, out=g)
            np.subtract(p, g, out=p)
        return cost


def _tanh(self: _ByHand, k: int, z: Array) -> tuple[Array, Callable[[Array], None]]:
    n = np.tanh(z, out=self.place(("n", k), z.shape))

    def back(delta: Array) -> None:
        s = np.multiply(n, n, out=self.place(("s", k), z.shape))
        np.subtract(1.0, s, out=s)
        np.multiply(delta, s, out=delta)

    return n, back


def _sigmoid(self: _ByHand, k: int, z: Array) -> tuple[Array, Callable[[Array], None]]:
    n = np.negative(z, out=z)
    np.exp(n, out=n)
    np.add(n, 1.0, out=n)
    np.reciprocal(n, out=n)

    def back(delta: Array) -> None:
        s = np.subtract(1.0, n, out=self.place(("s", k), z.shape))
        np.multiply(s, n, out=s)
        np.multiply(delta, s, out=delta)

    return n, back


def _relu(self: _ByHand, k: int, z: Array) -> tuple[Array, Callable[[Array], None]]:
    n = np.maximum(z, 0.0, out=z)

    def back(delta: Array) -> None:
        mask = np.greater(n, 0.0, out=self.place(("mask", k), z.shape, bool))
        np.multiply(delta, mask, out=delta)

    return n, back


def _gelu(self: _ByHand, k: int, z: Array) -> tuple[Array, Callable[[Array], None]]:
    """Z σ(u), with u = 2 √(2/π) (z + 0.044715 z³); its slope is σ(u) + z σ(u) (1 - σ(u)) u'."""
    square = np.multiply(z, z, out=self.place(("square", k), z.shape))
    s = np.multiply(square, -CUBIC, out=self.place(("s", k), z.shape))
    np.subtract(s, SLOPE, out=s)
    np.multiply(s, z, out=s)
    np.exp(s, out=s)
    np.add(s, 1.0, out=s)
    np.reciprocal(s, out=s)
    n = np.multiply(z, s, out=self.place(("n", k), z.shape))

    def back(delta: Array) -> None:
        np.multiply(square, 3.0 * CUBIC, out=square)
        np.add(square, SLOPE, out=square)
        np.multiply(square, n, out=square)
        rest = np.subtract(1.0, s, out=z)
        np.multiply(square, rest, out=square)
        np.add(square, s, out=square)
        np.multiply(delta, square, out=delta)

    return n, back


ACTIVATIONS = {"tanh": _tanh, "sigmoid": _sigmoid, "relu": _relu, "gelu": _gelu}


class Network(_ByHand):
    """Weights and biases in turn; an activation after each layer but the last, and the mean squared error.

    >>> network = Network([np.zeros((1, 1)), np.zeros(1)], True, "tanh")
    >>> network.cost(np.array([[2.0]]), np.array([[1.0]])), network.gradients
    (1.0, [array([[-4.]]), array([-2.])])
    """

    def __init__(self, parameters: Sequence[Array], buffers: bool, activation: str) -> None:
        super().__init__(parameters, buffers)
        self.activation = ACTIVATIONS[activation]

    def cost(self, x: Array, t: Array) -> float:
        """The loss. Shapes: (samples, inputs), (samples, outputs)."""
        weights, biases = self.parameters[::2], self.parameters[1::2]
        inputs, backs, last = [x], [], len(weights) - 1
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = np.dot(inputs[-1], w, out=self.place(("z", k), (len(x), w.shape[1])))
            np.add(z, b, out=z)
            if k < last:
                n, back = self.activation(self, k, z)
                inputs.append(n)
                backs.append(back)
        delta = np.subtract(z, t, out=z)
        flat = delta.reshape(-1)
        cost = float(np.dot(flat, flat)) / delta.size
        np.multiply(delta, 2.0 / delta.size, out=delta)
        for k in range(last, -1, -1):
            self.gradients[2 * k + 1] = np.add.reduce(delta, axis=0, out=self.spare(2 * k + 1))
            self.gradients[2 * k] = np.dot(inputs[k].T, delta, out=self.spare(2 * k))
            if k:
                delta = np.dot(delta, weights[k].T, out=self.place(("delta", k), inputs[k].shape))
                backs[k - 1](delta)
        return cost


class Cubes(_ByHand):
    """The mean of (w³ - x)².

    >>> cubes = Cubes([np.array([2.0])], True)
    >>> cubes.cost(np.array([7.0]), None), cubes.gradients
    (1.0, [array([24.])])
    """

    def cost(self, x: Array, t: Any) -> float:
        """The mean; ``x`` has the shape of the parameter."""
        (w,) = self.parameters
        square = np.multiply(w, w, out=self.place("square", w.shape))
        apart = np.multiply(square, w, out=self.place("apart", w.shape))
        np.subtract(apart, x, out=apart)
        cost = float(np.dot(apart, apart)) / w.size
        g = np.multiply(apart, square, out=self.spare(0))
        np.multiply(g, 6.0 / w.size, out=g)
        self.gradients[0] = g
        return cost


class LogisticRegression(_ByHand):
    """Weights (features,) and a bias (1,); the mean cross-entropy of yes-or-no answers, in nats.

    >>> regression = LogisticRegression([np.zeros(1), np.zeros(1)], True)
    >>> round(regression.cost(np.array([[2.0]]), np.array([1.0])), 6), regression.gradients
    (0.693147, [array([-1.]), array([-0.5])])
    """

    def cost(self, x: Array, t: Array) -> float:
        """The loss. Shapes: (samples, features), (samples,)."""
        w, b = self.parameters
        n = len(x)
        z = np.dot(x, w, out=self.place("z", (n,)))
        np.add(z, b, out=z)
        e = np.abs(z, out=self.place("e", (n,)))
        np.negative(e, out=e)
        np.exp(e, out=e)
        loss = np.log1p(e, out=self.place("loss", (n,)))
        cost = float(loss.sum()) - float(np.dot(t, z))
        np.maximum(z, 0.0, out=e)
        cost = (cost + float(e.sum())) / n
        p = np.negative(z, out=z)
        np.exp(p, out=p)
        np.add(p, 1.0, out=p)
        np.reciprocal(p, out=p)
        np.subtract(p, t, out=p)
        np.multiply(p, 1.0 / n, out=p)
        self.gradients[0] = np.dot(p, x, out=self.spare(0))
        self.gradients[1] = np.add.reduce(p, keepdims=True, out=self.spare(1))
        return cost


def _cross_entropy(z: Array, labels: Array) -> tuple[float, Array]:
    """The mean cross-entropy in nats and its derivative, which is written into ``z``."""
    rows = np.arange(len(z))
    np.subtract(z, z.max(axis=1, keepdims=True), out=z)
    picked = float(z[rows, labels].sum())
    np.exp(z, out=z)
    totals = z.sum(axis=1, keepdims=True)
    cost = (float(np.log(totals).sum()) - picked) / len(z)
    np.divide(z, totals, out=z)
    z[rows, labels] -= 1.0
    np.divide(z, len(z), out=z)
    return cost, z


class ManyClasses(_ByHand):
    """One layer, softmax and cross-entropy.

    >>> classes = ManyClasses([np.zeros((1, 2)), np.zeros(2)], True)
    >>> round(classes.cost(np.array([[2.0]]), np.array([1])), 6), classes.gradients
    (0.693147, [array([[ 1., -1.]]), array([ 0.5, -0.5])])
    """

    def cost(self, x: Array, labels: Array) -> float:
        """The loss. Shapes: (samples, inputs), (samples,)."""
        w, b = self.parameters
        z = np.dot(x, w, out=self.place("z", (len(x), len(b))))
        np.add(z, b, out=z)
        cost, delta = _cross_entropy(z, labels)
        self.gradients[1] = np.add.reduce(delta, axis=0, out=self.spare(1))
        self.gradients[0] = np.dot(x.T, delta, out=self.spare(0))
        return cost


class Convolutional(_ByHand):
    """Two convolutions of 3 × 3 with padding, each with ReLU and a maximum of 2 × 2; a layer, and cross-entropy.

    Windows are copied to columns once, and both passes multiply these. The gradient of a bias is a product with ones,
    in a tenth of the time of a sum along the rows. A maximum picks rows first, then neighbours.
    """

    def cost(self, x: Array, labels: Array) -> float:
        """The loss. Shapes: (samples, height, width, 1), (samples,)."""
        w1, b1, w2, b2, w3, b3 = self.parameters
        h1, columns1, mask1 = self._layer(1, x, w1, b1)
        p1, ties1 = self._pooled(1, h1)
        h2, columns2, mask2 = self._layer(2, p1, w2, b2)
        p2, ties2 = self._pooled(2, h2)
        flat = p2.reshape(len(x), -1)
        z = np.dot(flat, w3, out=self.place("z", (len(x), len(b3))))
        np.add(z, b3, out=z)
        cost, delta = _cross_entropy(z, labels)
        self.gradients[5] = np.add.reduce(delta, axis=0, out=self.spare(5))
        self.gradients[4] = np.dot(flat.T, delta, out=self.spare(4))
        g = np.dot(delta, w3.T, out=self.place("flat", flat.shape)).reshape(p2.shape)
        delta = self._weights(2, g, ties2, mask2, columns2, w2)
        back = np.dot(delta, w2.reshape(-1, w2.shape[-1]).T, out=self.place("back", columns2.shape))
        g = self._scattered(back.reshape(*p1.shape[:3], 3, 3, p1.shape[3]), p1.shape)
        self._weights(1, g, ties1, mask1, columns1, w1)
        return cost

    def _layer(self, k: int, x: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
        samples, height, width, channels = x.shape
        padded = self._padded(k, x)
        columns = self.place(("columns", k), (samples, height, width, 3, 3, channels))
        columns = np.empty((samples, height, width, 3, 3, channels), x.dtype) if columns is None else columns
        if channels == 1:  # in less than half of the time of a copy of the windows
            for i in range(3):
                for j in range(3):
                    columns[:, :, :, i, j] = padded[:, i : i + height, j : j + width]
        else:
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
            columns[...] = windows.transpose(0, 1, 2, 4, 5, 3)
        columns = columns.reshape(-1, 9 * channels)
        out = (len(columns), w.shape[-1])
        z = np.dot(columns, w.reshape(-1, w.shape[-1]), out=self.place(("h", k), out))
        np.add(z, b, out=z)
        np.maximum(z, 0.0, out=z)
        mask = np.greater(z, 0.0, out=self.place(("mask", k), out, bool))
        return z.reshape(samples, height, width, -1), columns, mask

    def _padded(self, k: int, x: Array) -> Array:
        samples, height, width, channels = x.shape
        fresh = ("padded", k) not in self._places
        padded = self.place(("padded", k), (samples, height + 2, width + 2, channels))
        if padded is None:
            padded = np.zeros((samples, height + 2, width + 2, channels), x.dtype)
        elif fresh:
            padded.fill(0.0)
        padded[:, 1:-1, 1:-1] = x
        return padded  # type: ignore[no-any-return]

    def _pooled(self, k: int, h: Array) -> tuple[Array, Array]:
        samples, height, width, channels = h.shape
        cells = h.reshape(samples, height // 2, 2, width // 2, 2, channels)
        rows = np.maximum(cells[:, :, 0], cells[:, :, 1], out=self.place(("rows", k), cells[:, :, 0].shape))
        top = np.maximum(rows[:, :, :, 0], rows[:, :, :, 1], out=self.place(("top", k), rows[:, :, :, 0].shape))
        ties = np.equal(cells, top[:, :, None, :, None], out=self.place(("ties", k), cells.shape, bool))
        return top, ties

    def _weights(self, k: int, g: Array, ties: Array, mask: Array, columns: Array, w: Array) -> Array:
        """The gradients of one convolution; returns that of its weighted sums. Equal maxima are zeros, with slope 0."""
        delta = np.multiply(ties, g[:, :, None, :, None], out=self.place(("delta", k), ties.shape))
        delta = delta.reshape(-1, w.shape[-1])
        np.multiply(delta, mask, out=delta)
        ones = self.place(("ones", k), (len(delta),))
        ones = np.ones(len(delta), self.dtype) if ones is None else ones
        ones.fill(1.0)
        self.gradients[2 * k - 1] = np.dot(ones, delta, out=self.spare(2 * k - 1))
        place = self.gradients[2 * k - 2].reshape(columns.shape[1], -1) if self.buffers else None
        made = np.dot(columns.T, delta, out=place)
        self.gradients[2 * k - 2] = made.reshape(w.shape)
        return delta  # type: ignore[no-any-return]

    def _scattered(self, back: Array, shape: tuple[int, ...]) -> Array:
        samples, height, width, channels = shape
        whole = self.place("scattered", (samples, height + 2, width + 2, channels))
        whole = np.empty((samples, height + 2, width + 2, channels), back.dtype) if whole is None else whole
        whole.fill(0.0)
        for i in range(3):
            for j in range(3):
                part = whole[:, i : i + height, j : j + width]
                np.add(part, back[:, :, :, i, j], out=part)
        return whole[:, 1:-1, 1:-1]
