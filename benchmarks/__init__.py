"""Speed and memory against hand-written NumPy and the peers: ``python -m benchmarks``.

Every number is a ratio of two programs measured side by side in one run: it holds on the machine that measured it, and
is a hint on another. ``rows`` lists the measurements, ``measure`` takes them, ``table`` and ``picture`` show them; the
other modules hold the programs. No other framework is imported before its own row runs.
"""
