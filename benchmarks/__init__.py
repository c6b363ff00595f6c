"""Speed and memory against hand-written NumPy and the peers: ``python -m benchmarks``.

Every number is a ratio of two programs measured side by side in one run: it holds for the machine it was taken on, and
says something on another. ``rows`` lists what is measured, ``measure`` says how; the programs are in ``imports``,
``scalars``, ``training``, ``handwritten`` and ``peers``. No other framework is imported before its own row runs.
"""
