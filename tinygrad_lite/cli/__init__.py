"""From the terminal: ``tinygrad-lite derive``, ``compare``, ``paths``, ``train``, ``exercise``, ``grade``.

The room imports every room below it, and nothing imports it but ``__main__``.
"""

from .terminal import main

__all__ = ["main"]
