"""The half adder, scalar by scalar

Two inputs, two hidden layers of two sigmoids, two outputs (the sum and the carry), one sample. w201 is the weight in
layer 2 from neuron 0 to neuron 1, n21 the output of neuron 1 in layer 2, z21 its weighted sum. A hidden neuron reaches
the cost by way of every neuron after it: its gradient is the sum over those paths. δ, the gradient of z, is what all
gradients of a layer have in common.
"""

from tinygrad_lite import Value, sigmoid

n00, n01 = 1.0, 0.0
t0, t1 = 1.0, 0.0
w100, w110, b10 = Value(0.3), Value(-0.6), Value(0.1)
w101, w111, b11 = Value(0.8), Value(0.5), Value(-0.2)
w200, w210, b20 = Value(-0.7), Value(0.4), Value(0.3)
w201, w211, b21 = Value(0.2), Value(0.9), Value(-0.5)
w300, w310, b30 = Value(0.6), Value(-0.3), Value(0.2)
w301, w311, b31 = Value(-0.4), Value(0.7), Value(0.1)

z10 = n00 * w100 + n01 * w110 + b10
z11 = n00 * w101 + n01 * w111 + b11
n10, n11 = sigmoid(z10), sigmoid(z11)
z20 = n10 * w200 + n11 * w210 + b20
z21 = n10 * w201 + n11 * w211 + b21
n20, n21 = sigmoid(z20), sigmoid(z21)
z30 = n20 * w300 + n21 * w310 + b30
z31 = n20 * w301 + n21 * w311 + b31
n30, n31 = sigmoid(z30), sigmoid(z31)
loss = 0.5 * ((n30 - t0) ** 2 + (n31 - t1) ** 2)

points = {
    "z30 z31 z20 z21 z10 z11": 1,
    "w300 w310 b30 w301 w311 b31": 1,
    "w200 w210 b20 w201 w211 b21": 1,
    "w100 w110 b10 w101 w111 b11": 1,
}


def solution(v: dict[str, float]) -> dict[str, float]:
    """The gradients by hand: δ of a layer, then what it gives to each weight."""
    d = {}
    for j in "01":
        n = v[f"n3{j}"]
        d[f"z3{j}"] = (n - v[f"t{j}"]) * n * (1 - n)
    for layer in (2, 1):
        for i in "01":
            n = v[f"n{layer}{i}"]
            arrives = sum(d[f"z{layer + 1}{j}"] * v[f"w{layer + 1}{i}{j}"] for j in "01")
            d[f"z{layer}{i}"] = arrives * n * (1 - n)
    for layer in (3, 2, 1):
        for j in "01":
            d[f"b{layer}{j}"] = d[f"z{layer}{j}"]
            for i in "01":
                d[f"w{layer}{i}{j}"] = d[f"z{layer}{j}"] * v[f"n{layer - 1}{i}"]
    return d
