"""Pictures on screen and in files: ``Drawing``, the engines that lay DOT out, PDF, the page of a plot, and saving.

The room knows renderers and formats, and nothing of graphs or gradients. It imports ``dot`` (the
widths of texts), ``viz.errors``, and of the framework ``files`` and ``errors``.
"""
