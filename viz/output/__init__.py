"""Drawings on screen and in files: engines that render DOT, and the formats they write.

The room imports ``dot``.
"""
