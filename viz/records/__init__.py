"""What a picture shows, as plain records: values, edges, frames and numbers, without any drawing.

The room imports ``tinygrad_lite``.
"""
