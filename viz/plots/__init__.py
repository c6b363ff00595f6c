"""Plots of training and of gradient paths, by matplotlib (the extra ``plots``, imported when something is plotted).

Each function returns a ``Figure`` that shows itself in a notebook and has ``.save("x.svg")``; with ``ax=`` it draws
there and returns the figure of those axes. pyplot takes no part, so there is no current figure and nothing to close.
The room imports ``records``, ``dot``, ``output`` and ``tinygrad_lite``.

The colours are those of all pictures (``viz.dot.colours``), told apart with any colour vision: green for positive and
purple for negative, from C. Brewer's PRGn, the negative hatched; M. Okabe and K. Ito's palette for things without a
sign. On maps white is 0: PRGn surrounds it where there are two signs, and C. Brewer's Blues rise from it where there is
one. Layers and other ordered things are shades of viridis.
"""

from .boundary import decision_boundary
from .heat_maps import heat_map
from .page import figure
from .paths import spectrum, waterfall
from .training import gradient_sizes, training_curve

__all__ = ["decision_boundary", "figure", "gradient_sizes", "heat_map", "spectrum", "training_curve", "waterfall"]
