"""The yardstick for compiled code: the same networks in NumPy by hand, with every array allocated once.

The code is that of ``handwritten``, with a preallocated array for each result: products and sums are written with
``out=``, and a step allocates only views. Comments name the alternatives that were tried and were slower. One object
trains one network on batches of one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Classifier", "Elementwise", "Logistic"]

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


class _Network:
    """Parameters w1, b1, w2, b2, …, and memory for one batch of ``samples``."""

    def __init__(self, parameters: Sequence[Array], samples: int) -> None:
        self.weights, self.biases = list(parameters[::2]), list(parameters[1::2])
        self.gradients = [np.empty_like(p) for p in parameters]
        self.outputs = [np.empty((samples, w.shape[1])) for w in self.weights]
        self.deltas = [np.empty_like(n) for n in self.outputs]
        self.spares = [np.empty_like(n) for n in self.outputs]
        self.parameters = list(parameters)

    def descend(self, lr: float) -> None:
        """Plain gradient descent, p ← p - lr · g, in place. It overwrites the gradients."""
        for p, g in zip(self.parameters, self.gradients, strict=True):
            np.multiply(g, lr, out=g)
            np.subtract(p, g, out=p)


class Logistic(_Network):
    """Sigmoids everywhere, C = ½ Σ (y - t)².

    >>> network = Logistic([np.zeros((1, 1)), np.zeros(1)], samples=1)
    >>> network.cost(np.array([[2.0]]), np.array([[1.0]])), network.gradients
    (0.125, [array([[-0.25]]), array([-0.125])])
    """

    def cost(self, x: Array, t: Array) -> float:
        """The cost; writes its gradients into ``gradients``. Shapes: (samples, inputs), (samples, outputs)."""
        n = x
        for w, b, z in zip(self.weights, self.biases, self.outputs, strict=True):
            np.dot(n, w, out=z)
            np.add(z, b, out=z)
            np.negative(z, out=z)  # 1 / (1 + e^-z) is 0 where e^-z overflows, as it should be
            np.exp(z, out=z)
            np.add(z, 1.0, out=z)
            n = np.reciprocal(z, out=z)
        delta = np.subtract(n, t, out=self.deltas[-1])
        cost = 0.5 * float(np.vdot(delta, delta))
        for k in range(len(self.weights) - 1, -1, -1):
            n, spare = self.outputs[k], self.spares[k]
            np.subtract(1.0, n, out=spare)
            np.multiply(spare, n, out=spare)
            np.multiply(delta, spare, out=delta)
            np.add.reduce(delta, axis=0, out=self.gradients[2 * k + 1])  # delta.sum(axis=0) takes twice as long
            if not k:
                np.dot(x.T, delta, out=self.gradients[0])
                return cost
            np.dot(self.outputs[k - 1].T, delta, out=self.gradients[2 * k])
            delta = np.dot(delta, self.weights[k].T, out=self.deltas[k - 1])
        raise AssertionError("a network has layers")

    def step(self, x: Array, t: Array, lr: float) -> float:
        """One step of gradient descent; returns the cost before the step."""
        cost = self.cost(x, t)
        self.descend(lr)
        return cost


class Classifier(_Network):
    """Hidden ReLUs, then softmax and cross-entropy, mean over the batch, in nats.

    >>> network = Classifier([np.zeros((1, 2)), np.zeros(2)], samples=1)
    >>> round(network.cost(np.array([[2.0]]), np.array([1])), 6), network.gradients
    (0.693147, [array([[ 1., -1.]]), array([ 0.5, -0.5])])
    """

    def __init__(self, parameters: Sequence[Array], samples: int) -> None:
        super().__init__(parameters, samples)
        self.masks: list[npt.NDArray[Any]] = [np.empty(n.shape, bool) for n in self.outputs]
        self.rows = np.arange(samples)
        self.column = np.empty((samples, 1))
        self.logs = np.empty((samples, 1))

    def cost(self, x: Array, labels: Labels) -> float:
        """The loss; writes its gradients into ``gradients``. Shapes: (samples, inputs), (samples,)."""
        n, last = x, len(self.weights) - 1
        for k, (w, b, z) in enumerate(zip(self.weights, self.biases, self.outputs, strict=True)):
            np.dot(n, w, out=z)
            np.add(z, b, out=z)
            if k < last:
                np.maximum(z, 0.0, out=z)
            n = z
        samples, totals = len(x), self.column
        np.maximum.reduce(n, axis=1, keepdims=True, out=totals)
        np.subtract(n, totals, out=n)
        picked = n[self.rows, labels]
        delta = np.exp(n, out=n)
        np.add.reduce(delta, axis=1, keepdims=True, out=totals)
        loss = float(np.add.reduce(np.log(totals, out=self.logs), axis=None) - np.add.reduce(picked)) / samples
        np.divide(delta, totals, out=delta)
        delta[self.rows, labels] -= 1.0
        np.divide(delta, samples, out=delta)
        for k in range(last, -1, -1):
            np.add.reduce(delta, axis=0, out=self.gradients[2 * k + 1])
            if not k:
                np.dot(x.T, delta, out=self.gradients[0])
                return loss
            n = self.outputs[k - 1]
            np.dot(n.T, delta, out=self.gradients[2 * k])
            delta = np.dot(delta, self.weights[k].T, out=self.deltas[k - 1])
            np.greater(n, 0.0, out=self.masks[k - 1])
            np.multiply(delta, self.masks[k - 1], out=delta)
        raise AssertionError("a network has layers")

    def step(self, x: Array, labels: Labels, lr: float) -> float:
        """One step of gradient descent; returns the loss before the step."""
        loss = self.cost(x, labels)
        self.descend(lr)
        return loss


class Elementwise:
    """The mean of y = σ(w) exp(-(w x - 1)²), element by element, without matrix products.

    ∂y/∂w = y ((1 - σ(w)) - 2 x (w x - 1)).

    >>> formula = Elementwise(np.array([0.0]))
    >>> round(formula.cost(np.array([1.0])), 6), formula.gradient.round(6)
    (0.18394, array([0.459849]))
    """

    def __init__(self, w: Array) -> None:
        self.w, self.gradient = w, np.empty_like(w)
        self.difference, self.sigmoid, self.y = np.empty_like(w), np.empty_like(w), np.empty_like(w)

    def cost(self, x: Array) -> float:
        """The mean; writes its gradient into ``gradient``. ``x`` has the shape of ``w``."""
        u, s, y, g = self.difference, self.sigmoid, self.y, self.gradient
        np.multiply(self.w, x, out=u)
        np.subtract(u, 1.0, out=u)
        np.multiply(u, u, out=y)
        np.negative(y, out=y)
        np.exp(y, out=y)
        np.negative(self.w, out=s)
        np.exp(s, out=s)
        np.add(s, 1.0, out=s)
        np.reciprocal(s, out=s)
        np.multiply(y, s, out=y)
        np.multiply(u, x, out=g)
        np.multiply(g, 2.0, out=g)
        np.add(g, s, out=g)
        np.subtract(1.0, g, out=g)
        np.multiply(g, y, out=g)
        np.divide(g, g.size, out=g)
        return float(y.mean())

    def step(self, x: Array, lr: float) -> float:
        """One step of gradient descent; returns the mean before the step."""
        cost = self.cost(x)
        np.multiply(self.gradient, lr, out=self.gradient)
        np.subtract(self.w, self.gradient, out=self.w)
        return cost
