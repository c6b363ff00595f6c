"""The package is imported first: pytest would import a file of its doctests twice, and its functions enter once."""

import tinygrad_lite  # noqa: F401
