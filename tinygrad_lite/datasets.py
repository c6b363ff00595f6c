"""Small data sets, as plain arrays. None is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, MissingExtraError, ShapeError
from .nn.initialisers import Seed, generator

__all__ = ["digits", "half_adder", "one_hot", "spirals", "split", "xor"]


Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def half_adder() -> tuple[Array, Array]:
    """The sum of two bits: inputs (4, 2) and targets (4, 2), the sum and the carry.

    >>> x, t = half_adder()
    >>> [(*map(int, bits), *map(int, out)) for bits, out in zip(x, t)]
    [(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 1)]
    """
    x = _two_bits()
    a, b = x.T
    return x, np.stack([a + b - 2 * a * b, a * b], axis=1)


def xor() -> tuple[Array, Array]:
    """Whether two bits differ: inputs (4, 2), and targets (4, 2), the classes "equal" and "different".

    The class is the larger output's: ``targets.argmax(axis=1)`` are the labels 0, 1, 1, 0.

    >>> x, t = xor()
    >>> t.argmax(axis=1)
    array([0, 1, 1, 0])
    """
    x = _two_bits()
    return x, one_hot(x.sum(axis=1) == 1, 2)


def spirals(samples: int = 200, turns: float = 1.0, noise: float = 0.02, rng: Seed = 0) -> tuple[Array, Labels]:
    """Two spirals wound into each other: points (samples, 2) within about 1 of the origin, and labels 0 and 1.

    Half of the points belong to each spiral, evenly spaced along it: the labels alternate. ``noise`` is the standard
    deviation of the normal noise on both coordinates; ``rng`` is a generator or a seed.

    Raises ``ArgumentError`` for fewer than two samples, an odd number of them, turns that are not above 0, or negative
    noise.

    Source: K. Lang and M. Witbrock, *Learning to tell two spirals apart*, 1988.

    >>> points, labels = spirals(6, noise=0.0)
    >>> labels
    array([0, 1, 0, 1, 0, 1])
    >>> np.array_equal(points[1::2], -points[::2])  # one spiral is the other, turned by half a turn
    True
    """
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 2 or samples % 2:
        raise ArgumentError(
            f"spirals: samples is an even number of at least 2, got {samples!r}; half are of each class"
        )
    if not 0 < turns < np.inf:
        raise ArgumentError(f"spirals: turns is a number above 0, got {turns!r}; 1 winds each spiral once around")
    if not 0 <= noise < np.inf:
        raise ArgumentError(f"spirals: noise is a standard deviation of at least 0, got {noise!r}; 0 adds none")
    half = samples // 2
    radius = np.linspace(0.15, 1.0, half)  # both would start at 0
    angle = 2 * np.pi * turns * radius
    one = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.stack([one, -one], axis=1).reshape(samples, 2)
    return points + generator(rng).normal(0.0, noise, points.shape), np.tile(np.array([0, 1], np.int64), half)


def digits() -> tuple[Array, Labels]:
    """Handwritten digits: 1,797 images (1797, 64) of 8 x 8 pixels, 0 (paper) to 1 (ink), and their labels 0 to 9.

    ``images[k].reshape(8, 8)`` is the k-th picture. The data come with scikit-learn, the extra ``digits``; nothing is
    downloaded.

    Raises ``MissingExtraError`` without scikit-learn.

    Source: E. Alpaydin and C. Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning Repository,
    1998 (its test part).

    >>> images, labels = digits()
    >>> images.shape, labels[:10]
    ((1797, 64), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError(
            'digits: the images come with scikit-learn, which is not installed; pip install "tinygrad_lite[digits]"'
        ) from None
    bundled = load_digits()
    return bundled.data / 16.0, bundled.target.astype(np.int64)


def split(x: Array, labels: Any, test: float = 0.2, rng: Seed = 0) -> tuple[Array, Any, Array, Any]:
    """Samples in random order, in two parts: x_train, labels_train, x_test, labels_test.

    ``x`` has shape (samples, …) and ``labels`` (samples, …). ``test`` is the share of test samples, rounded to whole
    samples, at least one in each part. The same ``rng``, a seed or a generator in the same state, gives the same parts.
    All four arrays are copies.

    Raises ``ArgumentError`` unless 0 < test < 1 or with fewer than two samples, ``ShapeError`` unless there is
    one label for each sample.

    >>> x_train, t_train, x_test, t_test = split(np.arange(10.0), np.arange(10), test=0.3)
    >>> len(x_train), len(x_test), sorted(map(int, [*t_train, *t_test])) == list(range(10))
    (7, 3, True)
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if x.shape[:1] != labels.shape[:1]:
        raise ShapeError(
            f"split: needs one label for each sample, got shapes {x.shape} and {labels.shape}; samples come first"
        )
    if not 0 < test < 1:
        raise ArgumentError(f"split: test is a share between 0 and 1, got {test!r}; 0.2 tests on every fifth sample")
    if not x.shape or len(x) < 2:
        raise ArgumentError(f"split: needs at least two samples, got shape {x.shape}; one to train on, one to test on")
    order = generator(rng).permutation(len(x))
    cut = min(max(round(test * len(x)), 1), len(x) - 1)
    train, held_out = order[cut:], order[:cut]
    return x[train], labels[train], x[held_out], labels[held_out]


def one_hot(labels: Any, classes: int) -> Array:
    """Class numbers of shape (samples,) as rows of zeros with a 1 at the class, of shape (samples, classes).

    Raises ``ArgumentError`` for a label that is not a whole number from 0 to classes - 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iub":
        raise ArgumentError(
            f"one_hot: needs class numbers of shape (samples,), got shape {numbers.shape} of {numbers.dtype}; "
            "convert them with .astype(int)"
        )
    numbers = numbers.astype(np.intp)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= classes):
        worst = numbers[(numbers < 0) | (numbers >= classes)][0]
        raise ArgumentError(
            f"one_hot: a class is a number from 0 to {classes - 1}, got {worst}; pass more classes, or other labels"
        )
    rows = np.zeros((len(numbers), classes))
    rows[np.arange(len(numbers)), numbers] = 1.0
    return rows


def _two_bits() -> Array:
    return np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
