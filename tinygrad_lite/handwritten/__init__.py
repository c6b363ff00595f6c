"""The pieces of ``manual_backprop``: what it traces, pulls back, tidies up and writes as Python source."""
