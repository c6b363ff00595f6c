"""What a picture shows, as plain data: names, numbers, local derivatives, shares of a gradient.

``*_records`` functions read a graph and return frozen dataclasses, which tests compare with the engine. The room
imports ``tinygrad_lite`` and ``viz.errors``: no colours, no DOT, no renderer.
"""
