"""Exercises in backpropagation by hand, checked while a learner writes, and graded by the pile.

The room imports ``checks``, ``watching``, ``graph``, ``core``, ``files`` and ``errors``. It runs the files of
``exercises`` by their paths.
"""
