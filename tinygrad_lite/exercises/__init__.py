"""Exercises in backpropagation by hand: each file is a forward pass, what is asked for, and a solution.

A file is an ordinary program that ``tinygrad-lite exercise`` and ``grade`` run; nothing imports it. The room imports
``tinygrad_lite``.
"""
