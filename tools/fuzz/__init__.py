"""A differential fuzzer: random programs over every op, run in every way there is, which have to agree.

``generator`` draws a program (``programs``) from the registry of ops: ``drawing`` tries each statement before it is
kept, ``arguments`` gives functions what the names of their parameters ask for. ``ways`` runs a program: eager,
compiled, checkpointed, by the source of ``manual_backprop``, in forward mode, by differences, and so on. ``judging``
says how far two ways may differ at the program's conditioning, and finds those that differ. ``shrinking`` makes a
failing program small, and ``scripts`` writes it as a script of its own.

``python -m tools.fuzz --minutes 30`` runs it.

The room imports the registers of ops (``core``, ``ops``), ``nn`` and ``optim`` to draw from, ``compiler``,
``tinygrad_lite`` itself, and ``files`` to write files.
"""
